"""Who may give which rights to whom. Pure."""

from __future__ import annotations

from typing import Final

from voipbin.mesh.v1 import options_pb2

from api_gateway.errors import PermissionNotHeld
from mesh.identity import Caller

SUPER_ADMIN: Final = int(options_pb2.PERMISSION_PROJECT_SUPER_ADMIN)
CUSTOMER_ADMIN: Final = int(options_pb2.PERMISSION_CUSTOMER_ADMIN)

ALL: Final = 0xFFFF
"""Every bit there is or will be (contract section 1.4)."""

CUSTOMER_ALL: Final = 0x00F0
"""The bits that a customer's own administrator hands out (contract section 1.4)."""


def is_super_admin(permissions: int) -> bool:
    """Tell whether the bits are a platform administrator's."""
    return bool(permissions & SUPER_ADMIN)


def held(permissions: int) -> int:
    """Return every bit that somebody with these bits may give.

    A super-admin gives all. A customer's admin does whatever its managers and agents do, so it
    gives those bits, too, without bearing them.
    """
    if is_super_admin(permissions):
        return ALL
    return permissions | CUSTOMER_ALL if permissions & CUSTOMER_ADMIN else permissions


def outlasts_its_maker(permissions: int, makers: int) -> bool:
    """Tell whether a key with these bits is good, its maker holding those now (0: there is none).

    A customer's key is the customer's and stays. What only the platform gives, it takes back from
    a key together with the person who made it.
    """
    return not permissions & ~CUSTOMER_ALL & ~held(makers)


def check_held(caller: Caller, permissions: int) -> None:
    """Raise PermissionNotHeld unless the caller may give all of these bits.

    The same rule says whom a caller may change: nobody who holds more than itself, for whoever
    sets a password has the rights behind it.
    """
    own = caller.identity.permissions if caller.identity is not None else 0
    if permissions & ~held(own):
        raise PermissionNotHeld(permissions)
