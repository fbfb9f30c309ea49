"""`Reason` headers (RFC 3326): the cause of the telephone network, whoever wraps it how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from call_manager.channel import Q850
from call_manager.sip.message import Response, q850_of, write_reason


def of(*values: str) -> Q850 | None:
    return q850_of(Response(tuple(("Reason", value) for value in values), b"", 486, "Busy"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['Q.850;cause=16;text="Terminated"'], Q850(16, "Terminated")),
        (["q.850 ; text=busy ; CAUSE = 17"], Q850(17, "busy")),
        (["Q.850;cause=34"], Q850(34)),
        (['SIP;cause=487;text="x", Q.850;cause=31;text="a, \\"b\\""'], Q850(31, 'a, "b"')),
        (['SIP;cause=200;text="Call completed elsewhere"', "Q.850;cause=26"], Q850(26)),
        (['Q.850;text="; cause=1 ;";cause=2'], Q850(2, "; cause=1 ;")),
        (["Q.850;cause=0"], Q850(0)),
        (['Q.850;cause=16;text="\x1b[2J"'], Q850(16, "\ufffd[2J")),
        (['Q.850;cause=16;text="Occup\udce9"'], Q850(16, "Occupé")),
        ([f'Q.850;cause=16;text="{"x" * 500}"'], Q850(16, "x" * 128)),
        (["Q.850;cause=128"], None),
        (["Q.850;cause=1600"], None),
        (["Q.850;cause=-1"], None),
        (["Q.850;cause"], None),
        (["Q.850"], None),
        (["SIP;cause=486"], None),
        (["Q.850;xcause=3"], None),
        (['Q.850;text="cause=3'], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_first_q850_cause_is_found(values: list[str], expected: Q850 | None) -> None:
    assert of(*values) == expected


def test_what_we_write_is_read_back() -> None:
    name, value = write_reason(Q850(16, "Normal call clearing"))
    assert (name, value) == ("Reason", 'Q.850;cause=16;text="Normal call clearing"')
    assert of(value) == Q850(16, "Normal call clearing")


@given(st.text(max_size=200))
def test_no_value_raises(value: str) -> None:
    for text in (value, f"Q.850;{value}", f"Q.850;cause=1;text={value}"):
        found = of(text)
        assert found is None or 0 <= found.cause <= 127
