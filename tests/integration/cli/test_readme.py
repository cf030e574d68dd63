"""What README and the guides tell people to type is typed, against a server of a test's own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.programs import ROOT, Program, environment
from tests.integration.cli.test_people import ServerProgram

pytestmark = pytest.mark.timeout(240)

WITHIN_S = 50
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: str, language: str, containing: str) -> list[str]:
    """The code blocks of a document that hold a text."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [code for kind, code in _BLOCK.findall(text) if kind == language and containing in code]


def typed(block: str) -> str:
    """The commands of a console's block: lines after a prompt, and those that continue them."""
    lines: list[str] = []
    within = False
    for each in block.splitlines():
        if each.startswith("$ "):
            within = True
            lines.append(each[2:])
        elif within and each.startswith(" ") and lines:
            lines.append(each)
        else:
            within = False
    return "\n".join(lines)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProgram]:
    """A server on the data folder `data` of the folder in which commands are typed."""
    made = ServerProgram(tmp_path)
    made.start()
    yield made
    made.stop()


def shell(script: str, server: ServerProgram, folder: Path) -> str:
    """Type something, with this environment's programs in PATH; what it said."""
    there = server.http_url.removeprefix("http://")
    script = re.sub(r"(localhost|127\.0\.0\.1):8000", there, script)
    bin_ = f"{Path(sys.executable).parent}:{environment()['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment(PATH=bin_),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def test_signing_up_and_posting_by_hand(server: ServerProgram, tmp_path: Path) -> None:
    """The requests of the first hour, in order, with the token that they need."""
    (block,) = blocks("README.md", "console", "api/v1/signup")
    said = shell(typed(block), server, tmp_path)
    assert '"username":"me"' in said
    assert said.count("hello, world #first") == 2, "in the answer, and in home"
    assert '"error"' not in said


def python(code: str, server: ServerProgram, folder: Path) -> Program:
    (folder / "example.py").write_text(code.replace("http://127.0.0.1:8000", server.http_url))
    return Program("example.py", cwd=folder, script=False, PYTHONPATH=str(ROOT))


def test_examples_in_python(server: ServerProgram, tmp_path: Path) -> None:
    """README's posts and shows it; the guide's logs in once, however often it is started."""
    (signing,) = blocks("README.md", "console", "api/v1/signup")
    shell(typed(signing), server, tmp_path)
    (short,) = blocks("README.md", "python", "Client(")
    with python(short, server, tmp_path) as program:
        program.until(lambda: "me hello from Python" in program.lines, "its own post")
    (whole,) = blocks("docs/client.md", "python", "STATE")
    post = "curl -sf localhost:8000/api/v1/tweets -H content-type:application/json -d "
    token = '-H "authorization: Bearer $(rookery admin token me)" '
    state = tmp_path / "state.json"
    for number in range(3):
        with python(whole, server, tmp_path) as program:
            if number == 0:
                program.until(lambda: "me hello from Python" in program.lines, "the page")
            shell(f"""{post} '{{"text": "post {number}"}}' {token}""", server, tmp_path)
            program.until(lambda n=number: f"me post {n}" in program.lines, "an event")  # type: ignore[misc]
            if number:
                assert f"me post {number - 1}" not in program.lines
            program.until(lambda: "position" in state.read_text(), "a saved position")
            program.end()
    devices = shell(f"curl -sf localhost:8000/api/v1/devices {token}", server, tmp_path)
    assert devices.count('"example"') == 1
    assert state.stat().st_mode & 0o777 == 0o600


def test_operators_commands(server: ServerProgram, tmp_path: Path) -> None:
    """Those of README's table that can be given to a running server on one machine."""
    (signing,) = blocks("README.md", "console", "api/v1/signup")
    shell(typed(signing), server, tmp_path)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("status", "fsck", "check", "admin rotate-keys", "events retry", "backup"):
        assert f"| `rookery {command}" in readme
        assert shell(f"rookery {command}", server, tmp_path)


def test_backing_up_and_restoring(server: ServerProgram, tmp_path: Path) -> None:
    """The guide's commands, up to the server on the restored folder."""
    (signing,) = blocks("README.md", "console", "api/v1/signup")
    shell(typed(signing), server, tmp_path)
    (saving,) = blocks("docs/operations.md", "console", "$ rookery backup")
    (restoring,) = blocks("docs/operations.md", "console", "restored")
    *commands, serving = typed(restoring).splitlines()
    shell("\n".join([typed(saving), *commands]), server, tmp_path)
    assert (tmp_path / "restored").stat().st_mode & 0o777 == 0o700
    options = ("--runtime", "inline", "--http-port", "0", "--live-port", "0")
    with Program(*serving.split()[1:], *options, cwd=tmp_path) as program:
        program.until(lambda: "Ctrl-C stops it." in program.lines, "a server")
        assert shell("rookery admin token me --data restored", server, tmp_path)
        assert program.end() == 0


def test_the_real_networks_commands(tmp_path: Path) -> None:
    """Loading, replaying and checking, on a small piece of such a network."""
    (block,) = blocks("README.md", "console", "rookery load")
    import gzip

    lines = "".join(f"{number} {88 + number % 3} 1341100972 RT\n" for number in range(1, 60))
    (tmp_path / "higgs-activity_time.txt.gz").write_bytes(gzip.compress(lines.encode()))
    server = ServerProgram(tmp_path)
    load, serve, *others = typed(block).splitlines()
    assert serve.startswith("rookery serve &")
    shell(load, server, tmp_path)
    server.start()
    try:
        replay, fsck, tail = others
        assert "0 differ" in shell(f"{replay.partition('#')[0]} --readers 10", server, tmp_path)
        assert "0 faults" in shell(fsck, server, tmp_path)
        token = re.search(r"\$\((.*)\)", tail)
        assert token is not None
        assert shell(token[1], server, tmp_path).count(".") == 2
    finally:
        server.stop()
