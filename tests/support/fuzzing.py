"""Keeps schemathesis on this machine, and from ending the credential that it works with.

Loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`), in a process of its own.
"""

from __future__ import annotations

import os
import re
from typing import Any, Final
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st

from tests.support.wav_files import pcm, sine

OWN_IDS: Final = "FUZZ_OWN_IDS"
"""The environment variable with the ids of the agent and the customer that the tests act as."""

NOWHERE: Final = "127.0.0.1:9"
"""A carrier at which nobody listens."""

_own_ids: Final = frozenset(os.environ.get(OWN_IDS, "").lower().split(","))
_could_be_a_host: Final = re.compile(r"[\w.:\[\]-]{1,255}")
_host_of_an_address: Final = re.compile(r"@(?:\[[^\]]*\]|[\w.-]+)")


schemathesis.openapi.media_type(
    "audio/wav", st.sampled_from((pcm(sine(440.0, seconds=0.1)), b"RIFF")) | st.binary()
)


@schemathesis.hook
def before_call(context: Any, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Change what would leave this machine or lock the tests out."""
    del context, kwargs
    for name, value in (case.path_parameters or {}).items():
        if str(value).lower() in _own_ids:
            case.path_parameters[name] = str(uuid4())
    if isinstance(case.body, dict | list):
        case.body = at_home(case.body)


def at_home(value: Any, name: str = "") -> Any:
    """Return a body in which every host is this one."""
    if isinstance(value, dict):
        return {key: at_home(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return [at_home(item, name) for item in value]
    if not isinstance(value, str):
        return value
    if name == "hostname" and _could_be_a_host.fullmatch(value):
        return NOWHERE
    return _host_of_an_address.sub("@127.0.0.1", value)
