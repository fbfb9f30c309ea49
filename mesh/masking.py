"""How a secret looks to those who may not have it, and which names say that a value is one."""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "****"

SHOWN: Final = 4
"""How many last characters of a secret its mask shows."""

SHORT: Final = 8
"""A secret shorter than this shows none of its characters: the rest could be guessed."""

_TELLING: Final = re.compile(r"authorization|token|key|secret|password", re.IGNORECASE)


def mask_secret(secret: str) -> str:
    """Return what is shown instead of a secret: `****` and its last four characters.

    A secret of fewer than eight characters shows as `****`, an absent one as nothing.
    """
    if secret == "":
        return ""
    return MASK + (secret[-SHOWN:] if len(secret) >= SHORT else "")


def names_a_secret(name: str) -> bool:
    """Tell whether a name says that what it names is secret."""
    return _TELLING.search(name) is not None
