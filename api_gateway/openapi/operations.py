"""One operation of the API description: an RPC, one of its bindings."""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from voipbin.mesh.v1 import options_pb2

from api_gateway.openapi.answers import Refusals, media_type
from api_gateway.openapi.comments import Wording
from api_gateway.openapi.examples import Examples, stated
from api_gateway.openapi.failures import Failures, words_of
from api_gateway.openapi.rules import Schema
from api_gateway.openapi.security import SECURITY, permission_words
from api_gateway.openapi.shown import ShownSchemas
from api_gateway.openapi.taken import TakenSchemas, required_names
from api_gateway.transcoder.http import JSON_TYPE
from api_gateway.transcoder.json_forms import message_of
from api_gateway.transcoder.parameters import query_fields
from api_gateway.transcoder.request import takes_file
from api_gateway.transcoder.routes import Binding
from mesh import contract

_WHOLE: Final = "*"
_PAGE_SIZE: Final = "page_size"


class Operations:
    """Writes operations; what they share becomes components."""

    def __init__(
        self,
        wording: Wording,
        failures: Failures,
        refusals: Refusals,
        shown: ShownSchemas,
        taken: TakenSchemas,
    ) -> None:
        self._wording = wording
        self._failures = failures
        self._refusals = refusals
        self._shown = shown
        self._taken = taken
        self._examples = Examples(wording)

    def operation(self, binding: Binding, ordinal: int) -> dict[str, Any]:
        """Return the operation of a binding; `ordinal` is its place among the RPC's own."""
        rpc = binding.rpc
        policy = contract.policy(rpc)
        words = words_of(self._wording.comments.get(rpc.full_name, ""))
        made: dict[str, Any] = {
            "operationId": rpc.name if not ordinal else f"{rpc.name}{ordinal + 1}",
            "summary": _summary(words),
            "description": _description(words, policy),
            "tags": [tag_of(rpc)],
            "parameters": self._parameters(binding),
        }
        if binding.body:
            made["requestBody"] = self._body(binding, ordinal)
        listed = self._failures.of(rpc.full_name)
        made["responses"] = {
            "200": self._answer(binding),
            **self._refusals.responses(rpc, listed, path_of(binding)),
        }
        made["security"] = [] if policy.anonymous else SECURITY
        return made

    def _parameters(self, binding: Binding) -> list[dict[str, Any]]:
        message = binding.rpc.input_type
        paths = [variable.field_path for variable in binding.template.variables]
        made = []
        for path in paths:
            field = _field_at(binding.rpc, path)
            made.append(self._parameter(path, field, "path", required=True))
        if binding.body != _WHOLE:
            taken = frozenset((*paths, binding.body)) if binding.body else frozenset(paths)
            required = required_names(message, self._wording)
            for name, field in query_fields(message, taken).items():
                made.append(self._parameter(name, field, "query", required=name in required))
        sources = {contract.field_policy(field).source for field in message.fields}
        if options_pb2.FIELD_SOURCE_IDEMPOTENCY_KEY in sources:
            made.append({"$ref": "#/components/parameters/Idempotency-Key"})
        made.append({"$ref": "#/components/parameters/X-Request-Id"})
        return made

    def _parameter(
        self, name: str, field: FieldDescriptor, place: str, *, required: bool
    ) -> dict[str, Any]:
        schema = self._taken.field(field)
        if name == _PAGE_SIZE:
            # One rule for every list (contract section 1.8); more than the most is the most.
            schema = {**schema, "minimum": 0}
        made: dict[str, Any] = {
            "name": name,
            "in": place,
            "required": required,
            "description": self._taken.text(field),
            "schema": schema,
        }
        given, value = stated(field)
        if given:
            made["example"] = value
        return made

    def _body(self, binding: Binding, ordinal: int) -> dict[str, Any]:
        rpc = binding.rpc
        if takes_file(binding):
            return self._file(rpc, rpc.input_type.fields_by_name[binding.body])
        paths = [variable.field_path for variable in binding.template.variables]
        if binding.body == _WHOLE:
            message, suffix = rpc.input_type, str(ordinal + 1) if ordinal else ""
            schema: Schema = self._taken.body(message, paths, suffix)
        else:
            message, paths = message_of(rpc.input_type.fields_by_name[binding.body]), []
            schema = self._taken.message(message)
        required = set(required_names(message, self._wording)) - set(paths)
        example = self._examples.taken(message, paths)
        return {
            "required": bool(required),
            "content": {JSON_TYPE: {"schema": schema, "example": example}},
        }

    def _file(self, rpc: MethodDescriptor, field: FieldDescriptor) -> dict[str, Any]:
        words = self._wording.text(field.full_name)
        most = contract.policy(rpc).body_bytes_max
        # OpenAPI 3.1 needs no schema for bytes; readers of 3.0's know this one.
        schema = {"type": "string", "format": "binary"}
        return {
            "description": f"{words} At most {most} bytes." if most else words,
            "required": True,
            "content": {media_type(words): {"schema": schema}},
        }

    def _answer(self, binding: Binding) -> dict[str, Any]:
        rpc = binding.rpc
        # Over REST the pieces of a stream are one body.
        words = (
            "The file." if rpc.server_streaming else self._wording.text(rpc.output_type.full_name)
        )
        made: dict[str, Any] = {
            "description": words or "Done.",
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        }
        cookies = [contract.field_policy(field).cookie.name for field in rpc.output_type.fields]
        if any(cookies):
            made["headers"]["Set-Cookie"] = {
                "description": f"The cookie `{next(filter(None, cookies))}`: Secure, HttpOnly,"
                " SameSite=Strict.",
                "schema": {"type": "string"},
            }
        made["content"] = self._content(binding)
        return made

    def _content(self, binding: Binding) -> dict[str, Any]:
        output = binding.rpc.output_type
        if binding.rpc.server_streaming:
            field = output.fields_by_name[binding.response_body]
            return {media_type(self._wording.text(field.full_name)): {}}
        if binding.response_body:
            field = output.fields_by_name[binding.response_body]
            # The bare resource; an RPC that succeeds has one.
            schema = self._shown.present(field)
            return {JSON_TYPE: {"schema": schema, "example": self._examples.shown_field(field)}}
        example = self._examples.shown(output)
        return {JSON_TYPE: {"schema": self._shown.message(output), "example": example}}


def path_of(binding: Binding) -> str:
    """Return the path as OpenAPI writes it: every variable in braces, by its field's name."""
    text = binding.template.text
    for variable in binding.template.variables:
        start = text.index("{" + variable.field_path)
        end = text.index("}", start)
        text = f"{text[:start]}{{{variable.field_path}}}{text[end + 1 :]}"
    return text


def tag_of(rpc: MethodDescriptor) -> str:
    """Return the tag of an RPC's operations: its service, without the word."""
    return str(rpc.containing_service.name.removesuffix("Service"))


def _field_at(rpc: MethodDescriptor, path: str) -> FieldDescriptor:
    *parents, name = path.split(".")
    message = rpc.input_type
    for parent in parents:
        message = message_of(message.fields_by_name[parent])
    return message.fields_by_name[name]


def _summary(words: str) -> str:
    flat = " ".join(words.split())
    for end in (". ", "; ", ": "):
        flat = flat.split(end, maxsplit=1)[0]
    return flat.removesuffix(".")


def _description(words: str, policy: options_pb2.MethodPolicy) -> str:
    paragraphs = [" ".join(paragraph.split()) for paragraph in words.split("\n\n")]
    return "\n\n".join([*paragraphs, permission_words(policy)])
