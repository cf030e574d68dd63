"""What is installed and served of others is what was looked at: versions, hashes, licences."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from rookery.http.native.documentation import asset

ROOT = Path(__file__).resolve().parents[2]
SWAGGER_UI = ROOT / "rookery" / "http" / "native" / "swagger_ui"
LOCKS = ("locks/run.txt", "locks/dev.txt")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def locked(name: str) -> dict[str, str]:
    """Package → version; checks the form of each entry on the way."""
    found = {}
    text = (ROOT / name).read_text().replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        entry = re.fullmatch(
            r"([A-Za-z0-9._-]+)==(\S+)( ; [^#]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line
        )
        assert entry is not None, f"{name} has a line without version or hash: {line[:80]}"
        found[_plain(entry[1])] = entry[2]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: list[str]) -> set[str]:
    return {_plain(re.split(r"[\[<>=!~; ]", each)[0]) for each in requirements}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_place(name: str) -> None:
    """Packages come from wherever the machine is set up to get them; the hashes decide."""
    assert (
        re.search(r"https?:|file:|--index|--find-links|(^|\s)/", (ROOT / name).read_text()) is None
    )


def test_all_that_is_declared_is_locked() -> None:
    """What running needs, what builds us, and what tests need on top, at the same versions."""
    run, dev = map(locked, LOCKS)
    extras = PROJECT["optional-dependencies"]
    assert _names([*PROJECT["dependencies"], *extras["build"]]) <= run.keys()
    assert _names(extras["dev"]) <= dev.keys()
    assert run.items() <= dev.items()


@pytest.mark.parametrize("name", ["Makefile", "Dockerfile"])
def test_packages_are_installed_by_their_hashes(name: str) -> None:
    """And as wheels, whose installation runs nothing; our own package with what is installed."""
    text = (ROOT / name).read_text().replace("\\\n", " ")
    text = text.replace("$(LOCKED)", "--require-hashes --only-binary :all:")
    installs = [
        line for line in text.splitlines() if re.search(r"pip install|PIP_INSTALL\) ", line)
    ]
    installs = [line for line in installs if not re.match(r"(PIP_INSTALL|LOCKED) :=", line)]
    assert len(installs) >= 2
    for line in installs:
        hashed = "--require-hashes --only-binary :all: -r locks/" in line
        own = "--no-deps --no-build-isolation" in line
        assert hashed or own, line


def test_the_image_can_be_asked_whether_it_works() -> None:
    """Its base has a version, and it has a health check."""
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^FROM python:3\.11\.\d+-", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE) and "/api/v1/health" in text


def test_the_package_says_under_which_licence_it_is() -> None:
    """By its SPDX name (PEP 639), with the text; the licences of what is vendored come along."""
    assert PROJECT["license"] == "Apache-2.0"
    files = {each for pattern in PROJECT["license-files"] for each in ROOT.glob(pattern)}
    assert {ROOT / "LICENSE", SWAGGER_UI / "LICENSE", SWAGGER_UI / "NOTICE"} <= files
    assert (
        "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()
    )


def test_swagger_ui_is_what_was_fetched() -> None:
    """Each file has the hash that it had when the package's own hash was right."""
    lines = (SWAGGER_UI / "SHA256SUMS").read_text().splitlines()
    for digest, name in (line.split() for line in lines):
        assert hashlib.sha256((SWAGGER_UI / name).read_bytes()).hexdigest() == digest, name
    assert (SWAGGER_UI / "VERSION").read_text().startswith("5.")
    assert (SWAGGER_UI / "INTEGRITY").read_text().startswith("sha512-")


def test_the_page_shows_the_document_as_it_is() -> None:
    """Of OpenAPI 3.1, which Swagger UI reads from version 5 on: nothing is rewritten."""
    start = asset("start.js").body
    assert b'url: "/api/v1/openapi.json"' in start and b"3.0" not in start
    assert b"Swagger" in asset("swagger-ui-bundle.js").body
