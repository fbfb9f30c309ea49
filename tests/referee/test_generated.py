"""Of whatever a client says, the mesh makes what its referee makes, or refuses it.

`REFEREE_EXAMPLES=5000 make test ARGS="tests/referee/test_generated.py --timeout 900"` asks for
longer.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.referee.generated import Asked, asked
from tests.referee.stage import Stage, Told

EXAMPLES: Final = int(os.environ.get("REFEREE_EXAMPLES", "200"))
SETTINGS: Final = settings(
    max_examples=EXAMPLES,
    deadline=None,
    # Shrinking asks two servers thousands of times more; the seed that is printed serves as well.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PARAMETER_REASONS: Final = {"INVALID_REQUEST_PARAMETER", "MISSING_REQUEST_PARAMETER"}


def same(told: Asked, ours: Told, envoys: Told) -> None:
    """Fail unless both asked the service the same, and showed the same of its answer."""
    assert envoys.verdict.outcome == "200", (told.request, ours, envoys)
    assert ours.heard == envoys.heard, told.request
    assert ours.verdict.body == envoys.verdict.body, told.request


@given(data=st.data())
@SETTINGS
async def test_what_is_well_typed_is_understood_the_same(stage: Stage, data: st.DataObject) -> None:
    told = data.draw(asked(stage.rpcs, broken=False))

    ours, envoys = await stage.both(told)
    event(f"answered with {ours.verdict.status}")

    if ours.verdict.status == 200:
        same(told, ours, envoys)
        return
    assert ours.heard is envoys.heard is None
    assert ours.verdict.status == 400, (told.request, ours)
    if ours.verdict.body is None or envoys.verdict.own:
        assert envoys.verdict.status == 400
    elif ours.verdict.body["reason"] in PARAMETER_REASONS and told.request.body is None:
        # A field of the query is a parameter over REST, also when it is not said.
        assert envoys.verdict.outcome == "400 INVALID_ARGUMENT"
    else:
        assert ours.verdict == envoys.verdict, told.request


@given(data=st.data())
@SETTINGS
async def test_what_is_accepted_at_all_is_understood_the_same(
    stage: Stage, data: st.DataObject
) -> None:
    told = data.draw(asked([rpc for rpc in stage.rpcs if rpc.method != "GET"], broken=True))

    ours, envoys = await stage.both(told)
    event(f"answered with {ours.verdict.status}")

    if ours.verdict.status == 200:
        same(told, ours, envoys)
    else:
        assert ours.heard is None
        assert 400 <= ours.verdict.status < 500, (told.request, ours)
