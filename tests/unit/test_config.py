"""`rookery.config`: sources, precedence, refusals."""

from pathlib import Path
from typing import Any

import pytest

from rookery.config import load
from rookery.errors import ConfigError


def _load(path: Path | None = None, env: dict[str, str] | None = None, **tables: Any) -> Any:
    return load(path, environ=env or {}, overrides=tables)


def test_precedence_rises_from_file_to_command_line(tmp_path: Path) -> None:
    """The command line beats the environment, which beats the file, which beats defaults."""
    file = tmp_path / "r.toml"
    file.write_text("[http]\nport = 1001\n[live]\nport = 1002\nservers = 3\n")
    config = _load(file, {"ROOKERY_LIVE_PORT": "2002"}, http={"port": 3001})
    assert (config.http.port, config.live.port, config.live.servers) == (3001, 2002, 3)
    assert config.timelines.ring_size == 800


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("[htp]\nport = 1\n", "did you mean http"),
        ("[http]\nprot = 1\n", "did you mean port"),
        ("[http]\nport = 'x'\n", "http.port"),
        ("[http]\nport = 70000\n", "65535"),
        ("http = 3\n", "[http]"),
        ("[http\n", "not valid TOML"),
        ("[server]\nruntime = 'rai'\n", "server.runtime"),
        ("[http]\nport = 8001\n", "connection servers"),
        ("[live]\nsoft_buffer_bytes = 2000000\n", "hard_buffer_bytes"),
        ("[http]\ntrusted_proxies = '10.0.0.0/8, proxy'\n", "http.trusted_proxies: 'proxy'"),
        ("[server]\nruntime = 'inline'\n[timelines]\nshards = 2\n", "inline"),
        ("[server]\nruntime = 'inline'\n[ray]\naddress = 'auto'\n", "ray.address names a cluster"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, toml: str, told: str) -> None:
    """Unknown, malformed and contradictory settings are refused, and the text names them."""
    file = tmp_path / "r.toml"
    file.write_text(toml)
    with pytest.raises(ConfigError) as refused:
        _load(file)
    assert told in str(refused.value)


def test_unknown_variable_is_refused_with_the_nearest_name() -> None:
    """A typing error in the environment does not pass silently."""
    with pytest.raises(ConfigError, match="did you mean ROOKERY_HTTP_PORT"):
        _load(env={"ROOKERY_HTTP_PROT": "1"})


def test_other_variables_are_left_alone() -> None:
    """Only our prefix is looked at, and test variables are not settings."""
    _load(env={"HOME": "/", "ROOKERY_TEST_MONGODB_URI": "mongodb://x"})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A file that was asked for must be there."""
    with pytest.raises(ConfigError, match="cannot read"):
        _load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "origins",
    ["", "*", "https://example.org", "http://localhost:3000, https://a.example", "http://[::1]:8"],
)
def test_origins_are_taken_as_browsers_send_them(origins: str) -> None:
    """None, any, or a list."""
    assert load(environ={"ROOKERY_HTTP_ALLOWED_ORIGINS": origins})


@pytest.mark.parametrize(
    "origin",
    [
        "example.org", "https://example.org/", "https://Example.org", "https://example.org/app",
        "https://example.org:443", "http://example.org:80", "null", "https://*.example.org",
        "https://u@example.org", "https://a.example https://b.example", "https://",
    ],
)  # fmt: skip
def test_what_no_browser_sends_as_an_origin_is_refused(origin: str) -> None:
    """It would never match, and nobody would know why."""
    with pytest.raises(ConfigError, match=r"allowed_origins: .* is no origin"):
        load(environ={"ROOKERY_HTTP_ALLOWED_ORIGINS": f"https://ok.example, {origin}"})
