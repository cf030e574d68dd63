"""`rookery.config`: sources, precedence, refusals."""

import traceback
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from msgspec import Meta

from rookery.config import Config, ignored, load, sections
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


FIELDS = [
    (section, name, get_type_hints(cls, include_extras=True)[name])
    for section, cls in sections().items()
    for name in cls.__struct_fields__
]
NUMBERS = [(section, name) for section, name, hint in FIELDS if get_args(hint)[0] in (int, float)]
TEXTS = [(section, name) for section, name, hint in FIELDS if get_args(hint)[0] is str]


def _bounds(section: str, name: str) -> tuple[float, float]:
    """The least and the most that a number may be, or what it must stay above."""
    hint = next(hint for at, field, hint in FIELDS if (at, field) == (section, name))
    metas = [meta for meta in get_args(hint)[1:] if isinstance(meta, Meta)]
    least = [each for meta in metas for each in (meta.ge, meta.gt) if each is not None]
    most = [meta.le for meta in metas if meta.le is not None]
    assert least and most, f"{section}.{name} has no bounds on both sides"
    return least[-1], most[-1]


@pytest.mark.parametrize(("section", "name"), NUMBERS)
def test_every_number_has_bounds_that_are_told(section: str, name: str, tmp_path: Path) -> None:
    """From the file and from the environment: one line that names setting, value and range."""
    _, most = _bounds(section, name)
    wrong = ["inf", "-inf", "nan", "-1", "1e400", str(int(most) + 1), "9" * 400, "ten", "", "true"]
    file = tmp_path / "r.toml"
    for value in wrong:
        with pytest.raises(ConfigError) as refused:
            _load(env={f"ROOKERY_{section}_{name}".upper(): value})
        said = str(refused.value)
        assert f"setting {section}.{name}" in said and f"to {most}" in said
        assert len(said) < 400 and "\n" not in said
        literal = value if value not in ("", "ten") else f'"{value}"'
        file.write_text(f"[{section}]\n{name} = {literal}\n")
        with pytest.raises(ConfigError, match=f"setting {section}.{name}"):
            _load(file)


@pytest.mark.parametrize(("section", "name"), TEXTS)
def test_every_text_has_bounds_that_are_told(section: str, name: str, tmp_path: Path) -> None:
    """No control characters, no endless ones; numbers and lists are no text."""
    file = tmp_path / "r.toml"
    for value in ('"a\\u0000b"', '"a\\nb"', f'"{"x" * 5_000}"', "3", '["x"]', "{x = 1}"):
        file.write_text(f"[{section}]\n{name} = {value}\n")
        with pytest.raises(ConfigError) as refused:
            _load(file)
        assert f"setting {section}.{name}" in str(refused.value)
        assert len(str(refused.value)) < 400


@pytest.mark.parametrize("value", ["10 seconds", "1_000s", "٣x", "0x10", "--1"])
def test_numbers_are_written_as_numbers(value: str) -> None:
    """Whatever else is refused."""
    with pytest.raises(ConfigError, match=r"store\.timeout_s"):
        _load(env={"ROOKERY_STORE_TIMEOUT_S": value})


def test_a_number_too_long_to_be_read_is_refused(tmp_path: Path) -> None:
    """Python itself gives up at 4,300 digits."""
    file = tmp_path / "r.toml"
    file.write_text("[http]\nport = " + "9" * 5_000)
    with pytest.raises(ConfigError, match="not valid TOML"):
        _load(file)


def test_what_is_no_file_of_settings_is_not_read_to_its_end() -> None:
    """It may have none."""
    with pytest.raises(ConfigError, match="no file of ours"):
        _load(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("http", "host", ""),
        ("http", "host", "a b"),
        ("http", "host", "[::1]"),
        ("http", "host", "ö" * 70),
        ("live", "host", "x" * 300),
        ("server", "data_dir", ""),
        ("store", "mongo_database", "a.b"),
        ("store", "mongo_database", ""),
        ("live", "public_url", "ws://{nobody}/"),
        ("live", "public_url", "ws://{host.__class__}/"),
        ("live", "public_url", "ws://{"),
        ("live", "public_url", "localhost:8001"),
        ("http", "trusted_proxies", "0.0.0.0/0"),
        ("http", "trusted_proxies", "10.0.0.1/8"),
        ("http", "trusted_proxies", "0.0.0.0/1,128.0.0.0/1"),
        ("http", "trusted_proxies", "10.0.0.0/8, 8000::/1, ::/1"),
        ("http", "trusted_proxies", "::ffff:10.0.0.0/104"),
        ("http", "trusted_proxies", "::ffff:10.0.0.1"),
        ("http", "trusted_proxies", "::ffff:0:0/96"),
    ],
)
def test_text_that_cannot_be_used_is_refused(section: str, name: str, value: str) -> None:
    """At once, not where it is used."""
    with pytest.raises(ConfigError, match=rf"{section}\.{name}"):
        load(environ={}, overrides={section: {name: value}})


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "env",
    [
        {"ROOKERY_HTTP_PORT": f"mongodb://user:{SECRET}@host"},
        {"ROOKERY_STORE_MONGO_URI": f"mongodb://user:{SECRET}\x01@host"},
        {"ROOKERY_STORE_MONGO_URI": f"mongodb://user:{SECRET}@host/" + "x" * 5_000},
        {"ROOKERY_REDIS_URL": f"redis://:{SECRET}' or \n@host"},
        {"ROOKERY_HTTP_TRUSTED_PROXIES": f"redis://:{SECRET}@host"},
        {"ROOKERY_LIVE_PUBLIC_URL": f"https://user:{SECRET}@host"},
    ],
)
def test_no_message_quotes_a_password(env: dict[str, str]) -> None:
    """Neither the error nor what it was caused by."""
    with pytest.raises(ConfigError) as refused:
        _load(env=env)
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("section", "name", "value", "schemes"),
    [
        ("store", "mongo_uri", f"u:{SECRET}@h:27017", r"mongodb:// or mongodb\+srv://"),
        ("store", "mongo_uri", f"redis://{SECRET}", "mongodb://"),
        ("redis", "url", f"{SECRET}@h", "redis:// or rediss:// or unix://"),
        ("redis", "url", SECRET, "redis://"),
        ("ray", "address", f"http://{SECRET}/", "HOST:PORT, ray://HOST:PORT"),
        ("ray", "address", f"me:{SECRET}@h:6379", "HOST:PORT, ray://HOST:PORT"),
        ("redis", "url", [f"u:{SECRET}@h"], r"redis\.url"),
    ],
)
def test_an_address_of_an_unknown_scheme_is_refused(
    section: str, name: str, value: object, schemes: str
) -> None:
    """With those that are known, and without a word of what may be a password."""
    with pytest.raises(ConfigError, match=schemes) as refused:
        load(environ={}, overrides={section: {name: value}})
    assert SECRET not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("store", "mongo_uri", "mongodb+srv://u:p@cluster.example/?tls=true"),
        ("redis", "url", "rediss://:p@h:6380/1"),
        ("redis", "url", "unix:///run/redis.sock?db=1"),
        ("ray", "address", "auto"),
        ("ray", "address", "10.0.0.7:6379"),
        ("ray", "address", "ray://[fd00::7]:10001"),
        ("live", "public_url", "wss://live.example.org/stream"),
    ],
)
def test_addresses_of_known_schemes_are_taken(section: str, name: str, value: str) -> None:
    """As they are."""
    config = load(environ={}, overrides={section: {name: value}})
    assert getattr(getattr(config, section), name) == value


def test_settings_are_shown_without_passwords() -> None:
    """Where they turn up in a log or a debugger."""
    config: Config = _load(
        env={
            "ROOKERY_STORE_MONGO_URI": f"mongodb://user:{SECRET}@host",
            "ROOKERY_REDIS_URL": f"redis://:{SECRET}@host",
        }
    )
    assert SECRET not in repr(config) and SECRET not in str(config.store)
    assert SECRET in config.store.mongo_uri


KUBERNETES = {
    "ROOKERY_SERVICE_HOST": "10.96.1.2",
    "ROOKERY_SERVICE_PORT": "80",
    "ROOKERY_SERVICE_PORT_HTTP": "80",
    "ROOKERY_PORT": "tcp://10.96.1.2:80",
    "ROOKERY_PORT_80_TCP": "tcp://10.96.1.2:80",
    "ROOKERY_PORT_80_TCP_PROTO": "tcp",
    "ROOKERY_PORT_80_TCP_PORT": "80",
    "ROOKERY_PORT_80_TCP_ADDR": "10.96.1.2",
    "ROOKERY_PORT_53_UDP": "udp://10.96.1.2:53",
}


@pytest.mark.parametrize("service", ["", "_HEAD_SVC", "_HTTP", "_LIVE", "_RAY_DASHBOARD", "_STORE"])
def test_what_kubernetes_makes_of_services_is_left_alone(service: str) -> None:
    """Also of one called rookery-http, whose ROOKERY_HTTP_PORT is an address and no port."""
    env = {
        name.replace("ROOKERY", f"ROOKERY{service}", 1): text for name, text in KUBERNETES.items()
    }
    assert _load(env=env) == Config()
    assert ignored(env) == []


def test_variables_of_no_section_are_left_alone() -> None:
    """They may be anybody's; whoever asks is told which they are."""
    env = {"ROOKERY_TOKEN": "t", "ROOKERY_HOME": "/opt", "ROOKERY_": "", "ROOKERY_PORT": "8000"}
    assert _load(env=env) == Config()
    assert ignored(env) == ["ROOKERY_", "ROOKERY_HOME", "ROOKERY_PORT"]


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("ROOKERY_HTTP_PROT", "ROOKERY_HTTP_PORT"),
        ("ROOKERY_HTP_PORT", "ROOKERY_HTTP_PORT"),
        ("ROOKERY_LIMTS_READS_PER_USER", "ROOKERY_LIMITS_READS_PER_USER"),
        ("ROOKERY_LIVE_SERVER", "ROOKERY_LIVE_SERVERS"),
        ("ROOKERY_STORE_MONGO_URL", "ROOKERY_STORE_MONGO_URI"),
        ("ROOKERY_HTTP_PORT_", "ROOKERY_HTTP_PORT"),
    ],
)
def test_a_near_miss_is_no_variable_of_others(variable: str, meant: str) -> None:
    """Of a section of ours, or nearly: it was meant for us."""
    with pytest.raises(ConfigError, match=f"did you mean {meant}"):
        _load(env={variable: "1"})


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


def test_a_proxy_in_ipv6_s_form_of_ipv4_is_told_how_it_is_written() -> None:
    """Peers are looked for as IPv4, so it would never be found."""
    with pytest.raises(ConfigError, match=r"write 10\.0\.0\.0/8"):
        load(environ={}, overrides={"http": {"trusted_proxies": "::ffff:10.0.0.0/104"}})
