"""The tables of CONTRACT.md sections 3.2 to 3.4, row by row."""

import pytest

from call_manager.call.domain import ENDING, CallStatus, HangupReason, may_come_from
from call_manager.call.hangup import CAUSE_OF_REASON, Cause, by_of, cause_of_sip, reason_of

MOVES = {
    "dialing": {"ringing", "progressing", "terminating", "canceling", "hangup"},
    "ringing": {"progressing", "terminating", "canceling", "hangup"},
    "progressing": {"terminating", "hangup"},
    "terminating": {"hangup"},
    "canceling": {"hangup"},
    "hangup": set(),
}
OTHER_CAUSES = (1, 18, 22, 27, 28, 29, 34, 38, 41, 58, 102, 127)


@pytest.mark.parametrize("status", CallStatus)
@pytest.mark.parametrize("to", CallStatus)
def test_a_call_moves_only_where_the_table_says(status: CallStatus, to: CallStatus) -> None:
    allowed = to.value in MOVES[status.value]
    assert (status in may_come_from(to)) is allowed


def test_our_own_hangup_cancels_before_the_answer_and_terminates_after() -> None:
    assert {status.value: to.value for status, to in ENDING.items()} == {
        "dialing": "canceling",
        "ringing": "canceling",
        "progressing": "terminating",
    }


@pytest.mark.parametrize("last", ["dialing", "ringing"])
@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (19, "noanswer"),
        (21, "noanswer"),
        (17, "busy"),
        (16, "normal"),
        (26, "normal"),
        (0, "dialout"),
        *((cause, "failed") for cause in OTHER_CAUSES),
    ],
)
def test_the_reason_of_a_call_that_was_never_answered(last: str, cause: int, reason: str) -> None:
    assert reason_of(CallStatus(last), cause).value == reason


@pytest.mark.parametrize(
    ("last", "cause", "reason"),
    [
        ("progressing", 200, "timeout"),
        ("progressing", 16, "normal"),
        ("progressing", 127, "normal"),
        ("terminating", 201, "amd"),
        ("terminating", 16, "normal"),
        ("terminating", 200, "normal"),
        ("canceling", 16, "cancel"),
        ("canceling", 17, "cancel"),
        ("canceling", 0, "cancel"),
        ("hangup", 16, "normal"),
    ],
)
def test_the_reason_of_every_other_end(last: str, cause: int, reason: str) -> None:
    assert reason_of(CallStatus(last), cause).value == reason


@pytest.mark.parametrize(
    ("last", "by"),
    [
        ("dialing", "remote"),
        ("ringing", "remote"),
        ("progressing", "remote"),
        ("terminating", "local"),
        ("canceling", "local"),
    ],
)
def test_who_ended_a_call_follows_from_its_last_status(last: str, by: str) -> None:
    assert by_of(CallStatus(last)).value == by


def test_every_reason_that_may_be_asked_for_has_its_cause() -> None:
    assert {reason.value: int(cause) for reason, cause in CAUSE_OF_REASON.items()} == {
        "normal": 16,
        "cancel": 16,
        "timeout": 16,
        "failed": 18,
        "busy": 17,
        "noanswer": 19,
        "dialout": 19,
        "amd": 201,
    }
    assert set(CAUSE_OF_REASON) == set(HangupReason)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        *((code, 21) for code in (401, 403, 407, 603)),
        *((code, 17) for code in (486, 600)),
        *((code, 19) for code in (480, 483)),
        *((code, 1) for code in (404, 485, 604)),
        (408, 18),
        (409, 41),
        (410, 22),
        (420, 3),
        (484, 28),
        (488, 58),
        (606, 58),
        (302, 23),
        (500, 38),
        (501, 29),
        (502, 27),
        (504, 102),
        *((code, 34) for code in (503, 513, 599)),
        *(
            (code, 127)
            for code in (
                487, 405, 411, 413, 414, 415, 481, 482, 491, 493, 505, 400, 499, 699, 300
            )
        ),
        (200, Cause.NORMAL),
        (202, Cause.NORMAL),
    ],
)  # fmt: skip
def test_the_cause_of_a_final_status(code: int, cause: int) -> None:
    assert cause_of_sip(code) == cause


@pytest.mark.parametrize(
    ("code", "reason"),
    [(486, "busy"), (480, "noanswer"), (403, "noanswer"), (603, "noanswer"), (404, "failed"),
     (503, "failed"), (408, "failed"), (302, "failed"), (487, "failed")],
)  # fmt: skip
def test_the_reason_of_a_refused_invite(code: int, reason: str) -> None:
    assert reason_of(CallStatus.RINGING, cause_of_sip(code)).value == reason
