"""Checks values against schemas of an API description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]


def faults(value: Any, schema: dict[str, Any], components: dict[str, Any]) -> list[str]:
    """Return what is wrong with a value."""
    whole = {**schema, "components": components}
    found = Draft202012Validator(whole).iter_errors(value)
    return [f"{one.json_path}: {one.message}" for one in found]


def operations(api: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Iterate over path, method and operation."""
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolved(api: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference refers to, or what was found itself."""
    while "$ref" in found:
        _, *steps = found["$ref"].split("/")
        target: Any = api
        for step in steps:
            target = target[step]
        found = target
    return found
