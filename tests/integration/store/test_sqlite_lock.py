"""One writer for a data folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rookery.errors import StartupError, StoreLocked
from rookery.store.sqlite.lock import LOCK_FILE, WriterLock

HOLDER = """
import pathlib, sys
from rookery.store.sqlite.lock import WriterLock
lock = WriterLock(pathlib.Path(sys.argv[1]), now_ms=5)
print("held", flush=True)
sys.stdin.read()
"""


def test_the_file_names_its_holder(tmp_path: Path) -> None:
    """Process and time, for whoever looks."""
    lock = WriterLock(tmp_path, now_ms=1234)
    assert json.loads((tmp_path / LOCK_FILE).read_text()) == {
        "pid": os.getpid(),
        "started_ms": 1234,
    }
    lock.close()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """The message names process and folder, and what to do."""
    first = WriterLock(tmp_path, now_ms=0)
    with pytest.raises(StoreLocked) as refused:
        WriterLock(tmp_path, now_ms=0)
    first.close()
    assert f"process {os.getpid()}" in str(refused.value)
    assert str(tmp_path) in str(refused.value)
    assert "Stop that process" in str(refused.value)


def test_a_released_folder_can_be_taken(tmp_path: Path) -> None:
    """Closing releases, also twice."""
    first = WriterLock(tmp_path, now_ms=0)
    first.close()
    first.close()
    WriterLock(tmp_path, now_ms=0).close()


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    """Held while the process lives, free as soon as it was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreLocked, match=f"process {holder.pid}"):
            WriterLock(tmp_path, now_ms=0)
        holder.kill()
    WriterLock(tmp_path, now_ms=0).close()


def test_a_lock_file_with_other_content_still_locks(tmp_path: Path) -> None:
    """The kernel holds the lock; the content is for people."""
    first = WriterLock(tmp_path, now_ms=0)
    (tmp_path / LOCK_FILE).write_bytes(b"\xff{")
    with pytest.raises(StoreLocked, match="in use by another process"):
        WriterLock(tmp_path, now_ms=0)
    first.close()


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    """With the folders above it."""
    WriterLock(tmp_path / "a" / "b", now_ms=0).close()
    assert (tmp_path / "a" / "b").is_dir()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """The message says so."""
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="is not a folder"):
        WriterLock(tmp_path / "file", now_ms=0)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (PermissionError(13, "Permission denied"), "Change its owner"),
        (OSError(28, "No space left on device"), "Free some space"),
    ],
)
def test_an_unusable_folder_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, advice: str
) -> None:
    """What is wrong and what to do, whatever the system's reason."""

    def refuse(*_: object) -> int:
        raise error

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StartupError, match=advice) as refused:
        WriterLock(tmp_path, now_ms=0)
    assert str(tmp_path) in str(refused.value)
