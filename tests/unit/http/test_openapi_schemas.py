"""Every schema of the document says what a field is, so that what is generated from it is typed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.http.native_document import COMPONENTS, WHOLE

TYPING = {"$ref", "anyOf", "oneOf", "allOf", "type"}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in WHOLE["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def schemas(node: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A schema and all within it, each with its place."""
    yield where, node
    for name, field in node.get("properties", {}).items():
        yield from schemas(field, f"{where}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from schemas(node[key], f"{where}.{key}")
    for key in ("anyOf", "oneOf", "allOf"):
        for each in node.get(key, ()):
            yield from schemas(each, f"{where}.{key}")


def every_schema() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in COMPONENTS.items():
        yield from schemas(schema, name)
    for where, operation in operations():
        for parameter in operation.get("parameters", ()):
            yield from schemas(parameter["schema"], f"{where} {parameter['name']}")
        for status, response in operation["responses"].items():
            for content in response["content"].values():
                yield from schemas(content["schema"], f"{where} {status}")


def test_no_schema_is_without_a_type() -> None:
    """What allows anything becomes `unknown` in generated code."""
    untyped = [where for where, schema in every_schema() if not TYPING & schema.keys()]
    assert untyped == []


def test_no_list_and_no_object_is_of_anything() -> None:
    """Lists say of what, objects say which fields or of what."""
    vague = [
        where
        for where, schema in every_schema()
        if (schema.get("type") == "array" and "items" not in schema and "prefixItems" not in schema)
        or (
            schema.get("type") == "object"
            and not schema.get("properties")
            and not isinstance(schema.get("additionalProperties"), dict)
        )
    ]
    assert vague == []


@pytest.mark.parametrize("name", COMPONENTS)
def test_everything_is_described(name: str) -> None:
    """Each shape, and each of its fields."""
    schema = COMPONENTS[name]
    assert schema.get("description")
    fields = schema.get("properties", {})
    assert [field for field in fields if not fields[field].get("description")] == []


def test_parameters_are_described() -> None:
    """Those of paths, queries and headers."""
    nameless = [
        f"{where} {parameter['name']}"
        for where, operation in operations()
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]
    assert nameless == []


def test_times_are_marked_as_such() -> None:
    """Wherever a field is named like one, null or not."""
    found = [
        (where, schema) for where, schema in every_schema() if where.endswith("At") and "." in where
    ]
    assert found
    for where, schema in found:
        texts = [each for each in schema.get("anyOf", [schema]) if each.get("type") == "string"]
        assert [text.get("format") for text in texts] == ["date-time"], where


def test_places_in_texts_say_what_they_count() -> None:
    """Code points, which JavaScript's string indices are not."""
    for name in ("Mention", "Hashtag", "Cashtag", "Url"):
        for field in ("start", "end"):
            assert "code points" in COMPONENTS[name]["properties"][field]["description"]
    assert "Array.from(text)" in COMPONENTS["Entities"]["description"]


def test_each_code_of_a_response_is_named_once() -> None:
    """In its description, and as a value of `code`."""
    for where, operation in operations():
        for status, response in operation["responses"].items():
            if int(status) < 400 or not response["description"].startswith("Code "):
                continue
            # Behind a semicolon stands what limits the endpoint beside others.
            told = response["description"].removeprefix("Code ").partition("; ")[0]
            named = told.split(" or ")
            (content,) = response["content"].values()
            codes = content["schema"]["allOf"][1]["properties"]["code"]["enum"]
            assert named == [f"`{code}`" for code in codes], where
            assert len(set(codes)) == len(codes), where


NO_LISTS = {"devices_listing", "stream_stream"}
"""Their lists are short by what they list."""


def test_every_list_is_read_page_by_page() -> None:
    """Whatever answers a list takes `cursor` and `limit`, and answers `nextCursor`."""
    for where, operation in operations():
        for status in ("200", "201"):
            content = operation["responses"].get(status, {"content": {}})["content"]
            schema = content.get("application/json", {"schema": {}})["schema"]
            shape = COMPONENTS.get(schema.get("$ref", "").rpartition("/")[2], {})
            fields = shape.get("properties", {})
            if operation["operationId"] in NO_LISTS or not any(
                field.get("type") == "array" for name, field in fields.items() if name != "media"
            ):
                continue
            taken = {parameter["name"] for parameter in operation["parameters"]}
            assert {"cursor", "limit"} <= taken, where
            assert "nextCursor" in fields, where


def test_everything_that_is_sent_is_bounded() -> None:
    """Each text by its length, its form or its choices; each number from below and above."""
    sent = [
        (f"{where} {parameter['name']}", parameter["schema"])
        for where, operation in operations()
        for parameter in operation.get("parameters", ())
    ]
    for where, operation in operations():
        if "requestBody" in operation:
            (content,) = operation["requestBody"]["content"].values()
            name = content["schema"]["$ref"].rpartition("/")[2]
            sent += schemas(COMPONENTS[name], f"{where} body")
    assert sent
    for where, schema in sent:
        assert schema.get("type") != "array" or "maxItems" in schema, where
        if schema.get("type") == "string":
            assert schema.keys() & {"maxLength", "pattern", "enum"}, where
        if schema.get("type") == "integer":
            assert {"minimum", "maximum"} <= schema.keys(), where
