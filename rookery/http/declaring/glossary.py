"""Explains the fields of schemas by their names, for the OpenAPI documents of surfaces. Pure.

A name means the same wherever it stands on a surface, so it is explained once. A field whose
declaration describes it keeps that description.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_TIME = {"format": "date-time"}
_ADDRESS = {"format": "uri"}
_NONE: Mapping[Any, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Glossary:
    """What the names of a surface's fields mean.

    `by_type` has what else a name means where its values are of a type. A text whose name ends like
    that of a time, or of an id, is marked as one; `urls` are marked as addresses, and `no_ids` only
    look like ids. An empty `id_pattern` marks no ids.
    """

    meanings: Mapping[str, str] = field(default_factory=lambda: _NONE)
    by_type: Mapping[tuple[str, str], str] = field(default_factory=lambda: _NONE)
    urls: frozenset[str] = frozenset()
    no_ids: frozenset[str] = frozenset()
    id_pattern: str = ""
    time_suffixes: tuple[str, ...] = ("At",)
    id_suffix: str = "Id"

    def explained(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema of an object with its fields explained, and times and ids marked as such."""
        if "properties" not in schema:
            return schema
        described = {name: self._explained(name, each) for name, each in _properties(schema)}
        return {**schema, "properties": described}

    def _explained(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        meaning = self.by_type.get((name, schema.get("type", "")), self.meanings.get(name))
        if "enum" in schema:
            schema = {"type": "string", **schema}
        found = {**schema, **self._form_of(name, schema)}
        if "anyOf" in schema and (form := self._form_of(name, {"type": "string"})):
            found["anyOf"] = [
                {**each, **form} if each.get("type") == "string" else each
                for each in schema["anyOf"]
            ]
        if meaning is not None and "description" not in found:
            found["description"] = meaning
        return found

    def _form_of(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        """What more is known of a text by its name."""
        if schema.get("type") != "string" or "enum" in schema or "pattern" in schema:
            return {}
        if name.endswith(self.time_suffixes):
            return _TIME
        is_id = name == "id" or name.endswith(self.id_suffix)
        if self.id_pattern and is_id and name not in self.no_ids:
            return {"pattern": self.id_pattern}
        return _ADDRESS if name in self.urls else {}


def _properties(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(schema["properties"].items())
