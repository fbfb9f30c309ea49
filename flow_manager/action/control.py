"""Actions that steer the flow and leave the call alone."""

from __future__ import annotations

from typing import Final

from flow_manager.action.domain import ActionType
from flow_manager.action.option import (
    WAIT_MS_MAX,
    Option,
    OptionMistake,
    integer,
    mapping,
    number,
    one_of,
    text,
    uuid,
)
from mesh.variables import (
    NAME_CHARACTERS_MAX,
    REPLACED_CHARACTERS_MAX,
    RESERVED_PREFIX,
    VALUE_BYTES_MAX,
)

LOOPS_MAX: Final = 1000
"""The most jumps of one `goto` that can be asked for; a running flow has no more actions."""

TARGETS_MAX: Final = 100
"""The most targets of one `branch`: a flow has no more actions."""

BRANCH_CHARACTERS_MAX: Final = 255
"""The longest value that `branch` tells from others."""

VALUE_CHARACTERS_MAX: Final = 4096
"""The longest text that `variable_set` and `condition_variable` are written with."""

CONDITIONS: Final = ("==", "!=", ">", ">=", "<", "<=")
"""How `condition_variable` compares, the variable on the left."""


def _settable(value: object) -> str:
    name = text(1, NAME_CHARACTERS_MAX)(value)
    if name.startswith(RESERVED_PREFIX):
        raise OptionMistake(f"must not begin with {RESERVED_PREFIX}, which is the platform's")
    if set(name) & set("${}"):
        # Such a name could be set, and never be read.
        raise OptionMistake("must hold none of $, { and }")
    return name


SLEEP = ActionType(
    "sleep",
    "Waits.",
    (
        Option(
            "duration",
            integer(0, WAIT_MS_MAX),
            f"How long to wait, in milliseconds: an integer from 0 to {WAIT_MS_MAX}.",
            required=True,
        ),
    ),
    needs_call=False,
    wait_ms=lambda option: int(str(option["duration"])),
)

STOP = ActionType("stop", "Ends the flow.", ends_flow=True, needs_call=False)

VARIABLE_SET = ActionType(
    "variable_set",
    "Sets a variable.",
    (
        Option(
            "key",
            _settable,
            f"The variable's name: 1 to {NAME_CHARACTERS_MAX} characters, not the platform's.",
            required=True,
        ),
        Option(
            "value",
            text(0, VALUE_BYTES_MAX),
            f"Its value: at most {VALUE_CHARACTERS_MAX} characters as it is written, and"
            f" {VALUE_BYTES_MAX} bytes with its variables replaced.",
            required=True,
            replaceable=True,
            waiting_max=VALUE_CHARACTERS_MAX,
        ),
    ),
    needs_call=False,
    steers=True,
)

BRANCH = ActionType(
    "branch",
    "Goes on at the action that a variable's value leads to, and clears the variable.",
    (
        Option(
            "variable",
            text(1, NAME_CHARACTERS_MAX),
            "The variable's name; voipbin.call.digits when left out.",
        ),
        Option(
            "default_target_id",
            uuid,
            "The action for every other value (UUID); when left out, the one that follows.",
            is_target=True,
        ),
        Option(
            "target_ids",
            mapping(uuid, TARGETS_MAX, BRANCH_CHARACTERS_MAX),
            f"The action for each value (UUIDs by value): at most {TARGETS_MAX}, for values of at"
            f" most {BRANCH_CHARACTERS_MAX} characters.",
            is_target=True,
        ),
    ),
    needs_call=False,
    steers=True,
)

GOTO = ActionType(
    "goto",
    "Jumps to another action of the flow.",
    (
        Option("target_id", uuid, "The action to jump to (UUID).", required=True, is_target=True),
        Option(
            "loop_count",
            integer(0, LOOPS_MAX),
            f"How often it jumps before it lets the flow pass: an integer from 0 to {LOOPS_MAX};"
            " 0 or left out: each time.",
        ),
    ),
    needs_call=False,
    steers=True,
)

CONDITION_VARIABLE = ActionType(
    "condition_variable",
    "Goes on with the action that follows if a variable compares as stated, else elsewhere.",
    (
        Option(
            "condition",
            one_of(*CONDITIONS),
            f"How to compare, the variable on the left: one of {', '.join(CONDITIONS)}.",
            required=True,
        ),
        Option("variable", text(1, NAME_CHARACTERS_MAX), "The variable's name.", required=True),
        Option(
            "value_type",
            one_of("string", "number", "length"),
            "What to compare: string, number, or length, which is the value's in characters.",
            required=True,
        ),
        Option(
            "value_string",
            text(0, REPLACED_CHARACTERS_MAX),
            "What a string is compared with, by code points; nothing when left out.",
            replaceable=True,
            waiting_max=VALUE_CHARACTERS_MAX,
        ),
        Option("value_number", number, "What a number is compared with; 0 when left out."),
        Option(
            "value_length",
            integer(0, REPLACED_CHARACTERS_MAX),
            "What a length is compared with, in characters: an integer from 0 to"
            f" {REPLACED_CHARACTERS_MAX}; 0 when left out.",
        ),
        Option(
            "false_target_id",
            uuid,
            "The action to go on with where it does not compare so (UUID).",
            required=True,
            is_target=True,
        ),
    ),
    needs_call=False,
    steers=True,
)

FETCH_FLOW = ActionType(
    "fetch_flow",
    "Runs the actions of another flow, then goes on.",
    (Option("flow_id", uuid, "The flow (UUID).", required=True, replaceable=True),),
    needs_call=False,
    steers=True,
)
