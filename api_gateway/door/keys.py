"""What an access key's limits mean for one RPC (key limits, not permissions)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from voipbin.mesh.v1 import options_pb2

from api_gateway.account.admitted import KeyLimits
from api_gateway.door.errors import KeyScopeExceeded
from mesh import contract

Values = Callable[[Message], Iterator[Any]]
"""Iterates over the values that a request has in one field, wherever it is nested."""


@dataclass(frozen=True, slots=True)
class KeyRules:
    """The limits of keys as they apply to one RPC, compiled from its request's fields."""

    rpc: str
    """The full name, `voipbin.route.v1.ProviderCallService/ProviderCallCreate`."""
    providers: tuple[tuple[str, Values], ...]
    """The path of each field that names a provider, and its values."""
    calls: tuple[Values, ...]
    """The fields whose elements are calls."""

    def check_rpc(self, key: KeyLimits) -> None:
        """Raise KeyScopeExceeded when the key may not ask this RPC, whatever the request."""
        if key.rpcs and self.rpc not in key.rpcs:
            raise KeyScopeExceeded(
                "The access key is limited to other operations.", limit="rpcs", rpc=self.rpc
            )
        # Nothing here says which provider is meant, so whoever made the key has to have said so.
        if key.provider_ids and not self.providers and self.rpc not in key.rpcs:
            raise KeyScopeExceeded(
                "The access key is limited to providers, and this operation names none.",
                limit="provider_ids",
                rpc=self.rpc,
            )

    def check_request(self, key: KeyLimits, message: Message) -> None:
        """Raise KeyScopeExceeded when the request names another provider, or leaves it open."""
        if not key.provider_ids:
            return
        for path, values in self.providers:
            named = list(values(message))
            if not named or any(value not in key.provider_ids for value in named):
                raise KeyScopeExceeded(
                    f"The access key is limited to providers, and {path} is none of them.",
                    limit="provider_ids",
                    field=path,
                )

    def calls_of(self, message: Message) -> int:
        """Return how many calls the request asks for."""
        return sum(1 for values in self.calls for _ in values(message))


def key_rules(rpc: str, request: Descriptor) -> KeyRules:
    """Compile the key limits that the request's fields are marked with."""
    found = list(_marked(request, "", (), frozenset()))
    return KeyRules(
        rpc=rpc,
        providers=tuple(
            (path, _values(steps))
            for path, steps, limit in found
            if limit == options_pb2.KEY_LIMIT_PROVIDER
        ),
        calls=tuple(
            _values(steps) for _, steps, limit in found if limit == options_pb2.KEY_LIMIT_CALLS
        ),
    )


Steps = tuple[FieldDescriptor, ...]


def _marked(
    message: Descriptor, prefix: str, steps: Steps, above: frozenset[str]
) -> Iterator[tuple[str, Steps, options_pb2.KeyLimit.ValueType]]:
    for field in message.fields:
        limit = contract.field_policy(field).key_limit
        path = f"{prefix}{field.name}"
        if limit != options_pb2.KEY_LIMIT_UNSPECIFIED:
            yield path, (*steps, field), limit
        inner = field.message_type
        # A message that holds itself is looked at once; maps name nothing.
        if inner is None or inner.full_name in above or inner.GetOptions().map_entry:
            continue
        if not inner.full_name.startswith("google."):
            yield from _marked(
                inner, f"{path}.", (*steps, field), above | {message.full_name, inner.full_name}
            )


def _values(steps: Steps) -> Values:
    first, *rest = steps

    def values(message: Message) -> Iterator[Any]:
        held = getattr(message, first.name)
        for item in held if first.is_repeated else (held,):
            if rest:
                yield from _values(tuple(rest))(item)
            elif item:
                yield item

    return values
