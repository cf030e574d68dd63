"""Runs commands in this process, and servers that answer with whatever a test gives them."""

import gzip
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from rookery.cli.main import app


def command(*words: str, stdin: str | None = None) -> Result:
    """Run a command; an exception that comes out of it is the test's."""
    result: Result = CliRunner().invoke(app, list(words), input=stdin)  # type: ignore[assignment]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that answers each connection with these bytes; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.recv(65536)
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def http(status: str, body: str, kind: str = "text/html", head: str = "") -> bytes:
    """An answer over HTTP."""
    data = body.encode()
    fields = f"Content-Type: {kind}\r\nContent-Length: {len(data)}\r\nConnection: close\r\n{head}"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + data


def bad_files(folder: Path) -> dict[str, Path]:
    """Files and folders that no command can use, by what is wrong with them."""
    contents = {
        "empty.txt": b"",
        "not-gzip.gz": b"plain text",
        "truncated.gz": gzip.compress(b"1 2 1341100972 RT\n" * 1000)[:40],
        "damaged.gz": gzip.compress(b"1 2 1341100972 RT\n" * 1000)[:15] + b"\xff" * 40,
        "binary.txt": bytes(range(256)),
        "words.txt": b"one two three\n",
        "kind.txt": b"1 2 1341100972 [XX]\n",
        "negative.txt": b"-1 2 1341100972 RT\n",
        "huge.txt": b"9" * 40 + b" 2 1341100972 RT\n",
        "digits.txt": b"9" * 5000 + b" 2 1341100972 RT\n",
        "late.txt": b"1 2 99999999999999999999 RT\n",
        "line.txt": b"1" * 3_000_000,
        "markup.toml": b"[limts]\nx = 1\n",
        "broken.toml": b"[server\n\x1b[2J",
        "latin.toml": "[server]\ndata_dir = 'é'".encode("latin-1"),
        "value.toml": b"server = 3\n",
    }
    files = {}
    for name, content in contents.items():
        files[name] = folder / name
        files[name].write_bytes(content)
    files["folder"] = folder / "folder"
    files["folder"].mkdir()
    files["missing"] = folder / "missing"
    foreign = folder / "foreign"
    foreign.mkdir()
    with closing(sqlite3.connect(foreign / "rookery.sqlite")) as database:
        database.execute("CREATE TABLE mine (x)")
        database.commit()
    files["foreign"] = foreign
    garbage = folder / "garbage"
    garbage.mkdir()
    (garbage / "rookery.sqlite").write_bytes(b"no database at all" * 1000)
    files["garbage"] = garbage
    stale = folder / "stale"
    stale.mkdir()
    (stale / "control.json").write_text(f'{{"port": 1, "secret": "x", "pid": {os.getpid()}}}')
    files["stale"] = stale
    return files
