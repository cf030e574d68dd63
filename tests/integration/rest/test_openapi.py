"""The OpenAPI document holds: it is valid, complete, and the server keeps to it."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from rookery.http.native.app import ENDPOINTS
from rookery.http.native.schemas import PREFIX
from tests.integration.http_world import World

# A text may fit the document and still break a rule that no schema can state (weighted length,
# a cursor's checksum, a reply to a tweet that does not exist), so 400 is no failure there.
CONFIG = """
[generation]
database = "none"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422"]

[phases.coverage]
generate-duplicate-query-parameters = true

[phases.stateful]
enabled = false
"""


async def schemathesis(world: World, token: str, folder: Path, *options: str) -> tuple[int, str]:
    """Exit status and output of a run against the server, over its own document."""
    config = folder / "schemathesis.toml"
    await asyncio.to_thread(config.write_text, CONFIG)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run",
        f"{world.base}/openapi.json", "--generation-deterministic", "--no-color",
        "--continue-on-failure", "--header", f"Authorization: Bearer {token}", *options,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output.decode()


REVOKING = (f"{PREFIX}/logout", f"{PREFIX}/devices/{{deviceId}}")
"""What may end the very token that the requests are made with."""


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_server_keeps_to_its_document(world: World, tmp_path: Path) -> None:
    """Generated requests, right and wrong, find no answer that the document does not name."""
    ada = await world.user("ada")
    assert ada.token is not None
    left_out = [word for path in REVOKING for word in ("--exclude-path", path)]
    status, output = await schemathesis(
        world, ada.token, tmp_path, "--max-examples", "10", *left_out
    )
    assert status == 0, output
    assert "Authentication failed" not in output, output


@pytest.mark.slow
@pytest.mark.parametrize("path", REVOKING)
async def test_revoking_keeps_to_its_document(world: World, tmp_path: Path, path: str) -> None:
    """As above, for the requests that may end the token they are made with."""
    ada = await world.user("ada")
    assert ada.token is not None
    status, output = await schemathesis(
        world, ada.token, tmp_path, "--max-examples", "10", "--include-path", path
    )
    assert status == 0, output


async def document(world: World) -> dict[str, Any]:
    answer: dict[str, Any] = await world.nobody.ok("GET", "/openapi.json")
    return answer


async def test_every_endpoint_is_in_the_document(world: World) -> None:
    """Each declared endpoint is there under its path and method, with an id of its own."""
    paths = (await document(world))["paths"]
    ids = set()
    for endpoint in ENDPOINTS:
        if not endpoint.hidden:
            ids.add(paths[PREFIX + endpoint.path][endpoint.method.lower()]["operationId"])
    assert len(ids) == sum(not endpoint.hidden for endpoint in ENDPOINTS)


async def test_every_reference_in_the_document_resolves(world: World) -> None:
    """No `$ref` points at nothing."""
    whole = await document(world)

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target: Any = whole
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(whole)


async def test_the_document_is_valid(world: World) -> None:
    """By a validator of OpenAPI 3.1 that is not ours."""
    validator = OpenAPIV31SpecValidator(await document(world))
    assert [error.message for error in validator.iter_errors()] == []


async def test_every_schema_of_the_document_is_one(world: World) -> None:
    """Component schemas are valid JSON Schema 2020-12, the dialect of OpenAPI 3.1."""
    whole = await document(world)
    assert whole["openapi"] == "3.1.0"
    assert whole["components"]["schemas"]
    for schema in whole["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
