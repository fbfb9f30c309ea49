"""Cookies that a contract asks for: a response field that the browser keeps and sends back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from mesh import contract
from mesh.contract import ContractError

Cookie = Callable[[Any], tuple[bytes, bytes]]
"""Returns the Set-Cookie header of a response message."""

# RFC 6265 section 4.1.1: a name is a token, a value has no space, quote, comma or semicolon.
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")


def cookies_of(response: Descriptor) -> Sequence[Cookie]:
    """Return the cookies of a response's own fields; raises ContractError for one that cannot be.

    They are Secure, HttpOnly and SameSite=Strict: no script reads them, no other site's page can
    make a browser send them, so that a cookie alone never acts for somebody else's page.
    """
    return [_cookie(field) for field in response.fields if _is_cookie(field)]


def _is_cookie(field: FieldDescriptor) -> bool:
    return contract.field_policy(field).HasField("cookie")


def _cookie(field: FieldDescriptor) -> Cookie:
    option = contract.field_policy(field).cookie
    if field.type != FieldDescriptor.TYPE_STRING or field.is_repeated:
        raise ContractError(f"{field.full_name}: a cookie is one text")
    if not _NAME.fullmatch(option.name) or option.max_age_s <= 0:
        raise ContractError(f"{field.full_name}: a cookie has a plain name and a lifetime")
    name = field.name
    rest = f"Path=/; Max-Age={option.max_age_s}; Secure; HttpOnly; SameSite=Strict"

    def header(response: Any) -> tuple[bytes, bytes]:
        value: str = getattr(response, name)
        if not _VALUE.fullmatch(value):
            raise ValueError(f"{field.full_name} holds what no cookie can")
        return b"set-cookie", f"{option.name}={value}; {rest}".encode("ascii")

    return header
