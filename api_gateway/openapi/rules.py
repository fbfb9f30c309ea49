"""The limits of `buf.validate` as JSON Schema (draft 2020-12) says them.

Rules that JSON Schema has no words for (CEL) are told in the field's description. A schema
never refuses what the rules take; here and there it takes more.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import protovalidate
from buf.validate import validate_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

Schema = dict[str, Any]

_NUMBERS: Final = ("int32", "uint32", "sint32", "fixed32", "sfixed32", "double")
_BOUNDS: Final = {
    "gte": "minimum",
    "gt": "exclusiveMinimum",
    "lte": "maximum",
    "lt": "exclusiveMaximum",
}


def rules_of(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """Return the field's rules; empty ones where it states none."""
    found: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return found


def sentences(options: Any, extension: Any) -> Iterator[str]:
    """Iterate over what the CEL rules of a field's or message's options say of themselves."""
    for rule in options.Extensions[extension].cel:
        if rule.message:
            yield rule.message


@cache
def required_fields(message: Descriptor) -> frozenset[str]:
    """Return the fields that no request is valid without: those whose absence breaks a rule."""
    empty = message_factory.GetMessageClass(message)()
    violations = _validator().collect_violations(empty)
    paths = [found.proto.field for found in violations]
    return frozenset(path.elements[0].field_name for path in paths if path and path.elements)


@cache
def _validator() -> protovalidate.Validator:
    return protovalidate.Validator()


def limit_value(schema: Schema, rules: validate_pb2.FieldRules) -> Schema:
    """Return the schema of a single value with its limits."""
    zero_passes = rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE
    kind = rules.WhichOneof("type")
    if kind == "string":
        return schema | _string(rules.string, zero_passes=zero_passes)
    if kind in _NUMBERS:
        return _number(schema, getattr(rules, kind), zero_passes=zero_passes)
    return schema


def limit_list(schema: Schema, rules: validate_pb2.RepeatedRules) -> Schema:
    """Return an array's schema with its limits, those of its items left out."""
    return schema | _present(
        minItems=rules.min_items, maxItems=rules.max_items, uniqueItems=rules.unique
    )


def limit_map(schema: Schema, rules: validate_pb2.MapRules) -> Schema:
    """Return a map's schema with its limits and those of its keys, not those of its values."""
    keys = _string(rules.keys.string, zero_passes=False)
    return schema | _present(
        minProperties=rules.min_pairs, maxProperties=rules.max_pairs, propertyNames=keys
    )


def excluded_numbers(rules: validate_pb2.FieldRules) -> frozenset[int]:
    """Return the values that an enum's rules refuse."""
    return frozenset(rules.enum.not_in)


def allowed_numbers(rules: validate_pb2.FieldRules) -> frozenset[int]:
    """Return the only values that an enum's rules take; none for any."""
    return frozenset(getattr(rules.enum, "in"))


def _string(rules: validate_pb2.StringRules, *, zero_passes: bool) -> Schema:
    longest = rules.max_len or rules.len or rules.max_bytes
    limits = _present(
        minLength=0 if zero_passes else rules.min_len or rules.len,
        maxLength=longest,
        enum=list(getattr(rules, "in")),
    )
    if rules.pattern:
        limits["pattern"] = f"^$|{rules.pattern}" if zero_passes else rules.pattern
    return limits


def _number(schema: Schema, rules: Any, *, zero_passes: bool) -> Schema:
    bounds = {
        word: getattr(rules, sign)
        for sign, word in _BOUNDS.items()
        if sign in (rules.WhichOneof("less_than"), rules.WhichOneof("greater_than"))
    }
    if not bounds or not zero_passes or _holds(bounds, 0):
        return schema | bounds
    # Zero stands for a field that is not set.
    return {"type": schema["type"], "format": schema["format"], "anyOf": [{"const": 0}, bounds]}


def _holds(bounds: Schema, value: float) -> bool:
    return (
        bounds.get("minimum", value) <= value <= bounds.get("maximum", value)
        and not bounds.get("exclusiveMinimum", value - 1) >= value
        and not bounds.get("exclusiveMaximum", value + 1) <= value
    )


def _present(**words: Any) -> Schema:
    return {word: value for word, value in words.items() if value}
