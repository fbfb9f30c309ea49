"""What administrators are shown of a provider's failover."""

from __future__ import annotations

from uuid import uuid4

from voipbin.call.v1 import failover_service_pb2 as pb
from voipbin.route.v1.provider_pb2 import Provider

from call_manager.provider_failover.convert import failover_to_proto


def shown(*codes: str) -> dict[str, tuple[int, bool]]:
    """The rows for a provider with this list, by code; all must come from the same place."""
    provider = Provider(id=str(uuid4()), failover_codes=codes)
    failover = failover_to_proto(provider)
    assert failover.provider_id == provider.id
    expected = pb.FAILOVER_SOURCE_PROVIDER if codes else pb.FAILOVER_SOURCE_PLATFORM
    assert {failover.source, *(row.source for row in failover.rows)} == {expected}
    return {row.code: (row.cause, row.fails_over) for row in failover.rows}


def test_a_provider_without_a_list_shows_the_platforms_table() -> None:
    rows = shown()
    assert rows["503"] == (34, True)
    assert rows["486"] == (17, False)
    assert rows["4xx"] == (127, True)
    assert rows["unreachable"] == (41, True)


def test_a_list_shows_what_it_names_beside_what_the_platform_names() -> None:
    rows = shown("401", "477", "5xx")
    assert rows["401"] == (21, True)
    # A code that only the list names has a row, so that it is seen.
    assert rows["477"] == (127, True)
    assert rows["503"] == rows["5xx"] == (34, True)
    assert rows["404"] == (1, False)
    assert rows["4xx"] == (127, False)
    assert rows["unreachable"] == (41, False)


def test_none_shows_that_nothing_goes_on() -> None:
    assert not any(fails_over for _, fails_over in shown("none").values())
