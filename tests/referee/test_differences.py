"""We differ from the referee where we mean to, as we mean to, and as the documentation says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.referee.differences import DIFFERENCES, Difference, table
from tests.referee.house import House

PAGE: Final = Path(__file__).parents[2] / "docs" / "compatibility.md"
HEADING: Final = "## Against grpc-gateway-style transcoding"


@pytest.mark.parametrize(
    "difference",
    [one for several in DIFFERENCES.values() for one in several],
    ids=lambda one: one.label[:80],
)
async def test_we_differ_as_we_mean_to(house: House, difference: Difference) -> None:
    request = house.request(
        difference.method,
        difference.path,
        difference.body,
        role=difference.role,
        headers=difference.headers,
    )

    ours, envoys = await house.court.both(request)

    # The bodies count, too: some differ in their message alone.
    assert ours != envoys
    assert (ours.outcome, envoys.outcome) == (difference.ours, difference.envoys)


async def test_the_documentation_lists_every_difference_and_no_other() -> None:
    section = PAGE.read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    listed = [line for line in section.splitlines() if line.startswith("| `")]

    assert listed == [line for line in table() if line.startswith("| `")]
