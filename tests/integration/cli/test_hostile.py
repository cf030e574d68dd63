"""Every command with inputs that cannot be: one line of reason, and the right exit status."""

import functools
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result

from rookery.cli import demo as demo_module
from rookery.cli import tail as tail_module
from rookery.client import Client
from tests.integration.cli.commands import answering, bad_files, command, http

pytestmark = pytest.mark.timeout(240)

USAGE, FAILED = 2, 1
LOGIN = ("tail", "ada", "--password", "x" * 8)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but a test's own, and clients that soon give up."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for module in (tail_module, demo_module):
        monkeypatch.setattr(module, "Client", functools.partial(Client, timeout_s=1.0))


def assert_one_reason(result: Result, status: int) -> str:
    """The reason, after all that has to hold of it was checked."""
    assert "Traceback" not in result.output
    assert "fault of Rookery" not in result.output
    assert result.exit_code == status, result.output
    lines = [each for each in result.stderr.splitlines() if each.strip()]
    start = "Error: " if status == USAGE else "rookery: "
    (reason,) = [each.removeprefix(start) for each in lines if each.startswith(start)]
    assert reason.strip(" .()") and "()" not in reason
    assert reason.isprintable()
    return reason


@pytest.mark.parametrize(
    "url",
    [
        *(
            "localhost:8000",
            "ftp://example.org",
            "",
            "http://",
            "http:///api",
            "//host",
            "http://[",
        ),
        *(
            "http://host:99999",
            "http://host:port",
            "file:///etc/passwd",
            "HTTP//x",
            "\x1b[2J",
            "[/x]",
        ),
    ],
)
@pytest.mark.parametrize("words", [LOGIN, ("tail", "--token", "x"), ("demo",)])
def test_what_is_no_address(words: tuple[str, ...], url: str) -> None:
    """It is refused as wrong use, with what an address looks like."""
    assert "http" in assert_one_reason(command(*words, "--url", url), USAGE)


def test_a_missing_scheme_is_named() -> None:
    """Whoever forgets it is told the address to write."""
    result = command(*LOGIN, "--url", "localhost:8000")
    assert "write http://localhost:8000" in assert_one_reason(result, USAGE)


@pytest.mark.parametrize("words", [LOGIN, ("tail", "--token", "x"), ("demo", "--people", "2")])
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("http://nohost.invalid", "nohost.invalid"),
        ("http://a..b", "a..b"),
        (f"http://{'a' * 70}.org", "aaa"),
    ],
)
def test_nobody_there(words: tuple[str, ...], url: str, reason: str) -> None:
    """The reason is the system's own."""
    assert reason in assert_one_reason(command(*words, "--url", url), FAILED)


@pytest.mark.parametrize("words", [LOGIN, ("tail", "--token", "x"), ("demo", "--people", "2")])
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http("200 OK", "<html>hello</html>"), "something else"),
        (http("200 OK", "[1, 2]", "application/json"), "something else"),
        (http("502 Bad Gateway", "<h1>nginx</h1>"), "502"),
        (http("301 Moved", "", head="Location: https://example.org\r\n"), "301"),
        (http("404 Not Found", "\x1b[2J[/x]"), "404"),
        (http("500 Oops", '{"error": "[/x] \\u001b[2J\\n:runner:", "code": "x"}'), "[/x] \\x1b[2J"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x16", ""),
        (b"", ""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", ""),
    ],
)
def test_another_kind_of_server(words: tuple[str, ...], answer: bytes, reason: str) -> None:
    """Whatever listens there, its answer is told in one line, and does nothing else."""
    with answering(answer) as address:
        assert reason in assert_one_reason(command(*words, "--url", f"http://{address}"), FAILED)


def test_tls_with_a_server_that_has_none() -> None:
    """The reason is TLS's, not that of the number which its error happens to have."""
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as address:
        reason = assert_one_reason(command(*LOGIN, "--url", f"https://{address}"), FAILED)
    assert "TLS failed" in reason
    assert "not permitted" not in reason


def test_a_server_that_never_answers() -> None:
    """It is given up after the client's time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert "within 1 s" in assert_one_reason(command(*LOGIN, "--url", url), FAILED)


BAD_DATA = (
    *("empty.txt", "not-gzip.gz", "truncated.gz", "damaged.gz", "binary.txt", "words.txt"),
    *("kind.txt", "negative.txt", "huge.txt", "digits.txt", "late.txt", "line.txt"),
    *("folder", "missing"),
)


@pytest.mark.parametrize("name", BAD_DATA)
def test_files_that_are_no_data_set(tmp_path: Path, name: str) -> None:
    """The file is named, and what is wrong with it; no store is made for it."""
    path = bad_files(tmp_path)[name]
    assert name in assert_one_reason(command("load", str(path), "-d", "new"), FAILED)
    assert not Path("new").exists()


NEEDS_SETTINGS = (
    *(("check",), ("serve",), ("status",), ("backup",), ("load", "x"), ("fsck",)),
    *(("tail", "--token", "x"), ("demo",), ("drain", "x"), ("replay", "x")),
    ("admin", "token", "ada"),
)
BAD_SETTINGS = ("markup.toml", "latin.toml", "value.toml", "folder", "missing")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        *((words, "broken.toml") for words in NEEDS_SETTINGS),
        *((("check",), name) for name in BAD_SETTINGS),
    ],
)
def test_settings_that_cannot_be_read(tmp_path: Path, words: tuple[str, ...], name: str) -> None:
    """The file is named, and what is wrong with it."""
    path = bad_files(tmp_path)[name]
    assert name in assert_one_reason(command(*words, "-c", str(path)), FAILED)


def test_an_unknown_section_is_shown_as_it_is_written(tmp_path: Path) -> None:
    """Its brackets are no markup."""
    path = bad_files(tmp_path)["markup.toml"]
    reason = assert_one_reason(command("check", "-c", str(path)), FAILED)
    assert "unknown section [limts]; did you mean limits?" in reason


@pytest.mark.parametrize("name", ["empty.txt", "foreign", "garbage", "/proc/none", "stale"])
@pytest.mark.parametrize(
    "words",
    [("serve", "--runtime", "inline"), ("status",), ("backup",), ("fsck",), ("drain", "x"),
     ("admin", "token", "ada"), ("admin", "suspend", "ada"), ("admin", "restore", "ada"),
     ("admin", "rotate-keys"), ("events",), ("events", "retry")],
)  # fmt: skip
def test_data_folders_that_are_none(tmp_path: Path, words: tuple[str, ...], name: str) -> None:
    """A file, another program's database, garbage, a place where none can be, a dead server's."""
    if words[0] == "serve" and name == "stale":
        pytest.skip("it is fit for a server")
    path = bad_files(tmp_path).get(name, Path(name))
    ports = ("--http-port", "0", "--live-port", "0") if words[0] == "serve" else ()
    assert_one_reason(command(*words, *ports, "-d", str(path)), FAILED)


@pytest.mark.parametrize(
    "words",
    [
        ("sqlite:", "sqlite:b"),
        ("nonsense", "sqlite:b"),
        ("sqlite:none", "sqlite:b"),
        ("sqlite:a", "sqlite:a"),
        ("mongodb://", "sqlite:b"),
        ("mongodb://[::1", "sqlite:b"),
        ("mongodb://h/\x1b[2J[/x]", "[/x]"),
        ("mongodb://h:99999/rookery", "sqlite:b"),
    ],
)
def test_addresses_of_stores(words: tuple[str, ...]) -> None:
    """What is no address of a store, or of none that is there."""
    assert_one_reason(command("migrate-store", *words), FAILED)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("serve", "--runtime", "foo"), "'ray', 'inline'"),
        (("serve", "--http-port", "many"), "integer"),
        (("nonsense",), "nonsense"),
        (("tail", "--count", "101"), "100"),
        (("demo", "--people", "0"), "2"),
        (("demo", "--minutes", "inf"), "1000000"),
        (("demo", "--rate", "nan"), "less than or equal to 50"),
        (("replay", "x", "--events", "-1"), "equal to 1"),
        (("replay", "x", "--readers", "-1"), "equal to 1"),
        (("load",), "FILE"),
        (("--nonsense",), "nonsense"),
    ],
)
def test_wrong_use(words: tuple[str, ...], reason: str) -> None:
    """It is status 2, and what would be right is named."""
    assert reason.lower() in assert_one_reason(command(*words), USAGE).lower()


@pytest.mark.parametrize("words", [("tail",), ("tail", "ada")])
def test_nobody_to_ask(words: tuple[str, ...]) -> None:
    """Where input has ended, what is missing is named."""
    reason = assert_one_reason(command(*words, stdin=""), FAILED)
    assert "nobody answers" in reason


def test_settings_name_their_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a word that is none of a few, the few are told."""
    monkeypatch.setenv("ROOKERY_SERVER_RUNTIME", "foo")
    assert "it may be ray or inline" in assert_one_reason(command("check"), FAILED)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ctrl-C while the first request is under way."""

    async def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "log_in", interrupt)
    monkeypatch.setattr(Client, "sign_up", interrupt)
    yield


@pytest.mark.parametrize("words", [LOGIN, ("demo", "--people", "2")])
def test_ctrl_c(interrupted: None, words: tuple[str, ...]) -> None:
    """It ends a command with the status that shells give it, without a word."""
    result = command(*words, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 130
    assert result.output.strip() == ""


def test_a_fault_of_ours_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says whose fault it is, and `--traceback` where."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("[/x] impossible")

    monkeypatch.setattr("rookery.cli.check.settings", fail)
    result = command("check")
    assert result.exit_code == 1
    assert result.stderr.startswith("rookery: this is a fault of Rookery: RuntimeError: [/x] imp")
    assert len(result.stderr.splitlines()) == 1
    assert "Traceback (most recent call last)" in command("--traceback", "check").stderr
