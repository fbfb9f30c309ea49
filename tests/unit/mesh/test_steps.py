from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import islice

import grpc
import pytest

from mesh.errors import InvalidArgument, MeshError, ServiceOverloaded, ServiceUnavailable
from mesh.remote import RemoteError
from mesh.steps import PAUSE_MAX_S, Steps, TooLate, has_unknown_end, pauses
from tests.support.clock import FakeClock


def remote(code: grpc.StatusCode) -> RemoteError:
    return RemoteError("a.B/C", code, "no")


def answering(*answers: MeshError | str) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """Return a step that answers so, one answer after the other, and how often it was asked."""
    left, asked = list(answers), [0]

    async def ask() -> str:
        asked[0] += 1
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, MeshError):
            raise answer
        return answer

    return ask, asked


class Hasty(FakeClock):
    """A clock on which nobody waits: a pause is over at once, and has passed."""

    async def sleep(self, seconds: float) -> None:
        await self.advance(seconds)


@pytest.fixture
def clock() -> Hasty:
    return Hasty()


async def test_a_step_with_an_unknown_end_is_asked_until_it_is_known(clock: Hasty) -> None:
    ask, asked = answering(remote(grpc.StatusCode.UNAVAILABLE), ServiceOverloaded("full"), "done")
    until = clock.now() + timedelta(seconds=60)
    assert await Steps(clock, "test").ask("step", ask, until=until) == "done"
    assert asked == [3]


async def test_a_step_that_failed_is_not_asked_again(clock: Hasty) -> None:
    ask, asked = answering(remote(grpc.StatusCode.NOT_FOUND))
    with pytest.raises(RemoteError):
        await Steps(clock, "test").ask("step", ask, until=clock.now() + timedelta(seconds=60))
    assert asked == [1]


async def test_a_step_is_not_asked_once_it_is_too_late(clock: Hasty) -> None:
    ask, asked = answering(remote(grpc.StatusCode.UNAVAILABLE))
    with pytest.raises(TooLate):
        await Steps(clock, "test").ask("step", ask, until=clock.now() + timedelta(seconds=5))
    assert 3 <= asked[0] <= 12
    late, asked = answering("done")
    with pytest.raises(TooLate):
        await Steps(clock, "test").ask("step", late, until=clock.now())
    assert asked == [0]


async def test_insisting_takes_no_refusal_of_a_peers_but_our_own(clock: Hasty) -> None:
    ask, asked = answering(
        remote(grpc.StatusCode.PERMISSION_DENIED), ServiceUnavailable("away"), "done"
    )
    assert await Steps(clock, "test").insist("step", ask) == "done"
    assert asked == [3]
    ours, asked = answering(InvalidArgument("ours"))
    with pytest.raises(InvalidArgument):
        await Steps(clock, "test").insist("step", ours)
    assert asked == [1]


def test_what_was_refused_for_good_has_a_known_end() -> None:
    assert has_unknown_end(remote(grpc.StatusCode.DEADLINE_EXCEEDED))
    assert has_unknown_end(ServiceUnavailable("away"))
    assert not has_unknown_end(remote(grpc.StatusCode.ALREADY_EXISTS))
    assert not has_unknown_end(InvalidArgument("no"))


def test_pauses_grow_to_a_limit_and_no_two_works_keep_in_step() -> None:
    one, other = (list(islice(pauses(), 12)) for _ in range(2))
    assert all(0.05 <= pause <= PAUSE_MAX_S for pause in one)
    assert one[-1] >= PAUSE_MAX_S / 2 > one[0]
    assert one != other
