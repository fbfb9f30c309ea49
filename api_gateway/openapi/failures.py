"""What an RPC refuses with, as the `Errors:` list of its comment says.

After `Errors:` may come `as OtherRpc, and`; then come items, each from a dash on:
`- NOT_FOUND / ROUTE_NOT_FOUND: no such route` or `- any error of CallsCreate, when …`. An item
may name several reasons, and go on in the next line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import grpc

from api_gateway.openapi.comments import Wording
from mesh.contract import ContractError

_HEAD: Final = "Errors:"
_LIST: Final = re.compile(rf"^{_HEAD}", re.MULTILINE)
_ITEM: Final = re.compile(
    r"(?P<code>[A-Z_]+) / (?P<reasons>[A-Z0-9_]+(?:, [A-Z0-9_]+)*)(?: \(HTTP \d+\))?"
    r"[:;] (?P<text>.+)"
)
_ANY: Final = "any error of "
_RPC_NAME: Final = re.compile(r"\b[A-Z][a-z]\w*[A-Z]\w*\b")
_NESTING_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Failure:
    """One way in which an RPC refuses."""

    code: grpc.StatusCode
    reason: str
    text: str
    """When, as a sentence without its capital."""


class Failures:
    """The failures of every RPC, internal ones too.

    Raises ContractError for a list that cannot be read, with the RPC's name.
    """

    def __init__(self, wording: Wording) -> None:
        self._comments = {rpc: wording.comments.get(rpc, "") for rpc in wording.rpcs}
        self._by_rpc: Mapping[str, tuple[Failure, ...]] = {
            rpc: self._read(rpc, 0) for rpc in wording.rpcs
        }

    def of(self, rpc: str) -> tuple[Failure, ...]:
        """Return an RPC's failures in the order of its list; none where it has no list."""
        return self._by_rpc.get(rpc, ())

    def all(self) -> Mapping[str, tuple[Failure, ...]]:
        """Return the failures by the full names of the RPCs."""
        return self._by_rpc

    def _read(self, rpc: str, depth: int) -> tuple[Failure, ...]:
        if depth > _NESTING_MAX:
            raise ContractError(f"{rpc}: its errors are those of an RPC that refers back to it")
        listed = _listed(self._comments[rpc])
        if not listed:
            return ()
        preface, *items = re.split(r"^- ", listed, flags=re.MULTILINE)
        found: dict[str, Failure] = {}
        others = [preface, *(item.split(",")[0] for item in items if item.startswith(_ANY))]
        for name in _RPC_NAME.findall(" ".join(others)):
            other = self._named(rpc, name)
            found.update((one.reason, one) for one in self._read(other, depth + 1))
        for item in items:
            if not item.startswith(_ANY):
                words = " ".join(item.split("\n\n")[0].split())
                found.update((one.reason, one) for one in _item(rpc, words))
        if not found:
            raise ContractError(f"{rpc}: its list of errors names none: {listed!r}")
        return tuple(found.values())

    def _named(self, rpc: str, name: str) -> str:
        package = rpc.rsplit(".", 2)[0]
        known = [candidate for candidate in self._comments if candidate.endswith(f".{name}")]
        if not known:
            raise ContractError(f"{rpc}: its errors are those of {name}, which there is not")
        return next((one for one in known if one.startswith(f"{package}.")), known[0])


def words_of(comment: str) -> str:
    """Return an RPC's comment without its list of errors."""
    return _LIST.split(comment)[0].strip()


def _listed(comment: str) -> str:
    parts = _LIST.split(comment)
    if len(parts) == 1:
        return ""
    return parts[1].strip()


def _item(rpc: str, item: str) -> list[Failure]:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ContractError(f"{rpc}: an error is no `CODE / REASON: text`: {item!r}")
    try:
        code = grpc.StatusCode[match["code"]]
    except KeyError:
        raise ContractError(f"{rpc}: {match['code']} is no gRPC code") from None
    return [Failure(code, reason, match["text"]) for reason in match["reasons"].split(", ")]
