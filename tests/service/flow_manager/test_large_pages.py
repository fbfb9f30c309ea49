"""Flows as large as they may be are listed like any others."""

from __future__ import annotations

from tests.service.flow_manager.conftest import House, an_action
from tests.support.node import an_identity

LONG = "${a}" + "\N{GRINNING FACE}" * 1020


async def test_a_page_of_the_largest_flows_arrives(house: House) -> None:
    someone = an_identity()
    largest = [an_action("hangup", reason=LONG, reference_id=LONG) for _ in range(100)]
    # The page is nearly full when it comes to the largest.
    made = [(await house.create(someone, *largest[:number])).id for number in (100, 40, 20)]
    listed: list[str] = []
    token = ""
    while not listed or token:
        page = await house.page(someone, page_token=token)
        listed += [flow.id for flow in page.result]
        token = page.next_page_token
    assert listed == made[::-1]
