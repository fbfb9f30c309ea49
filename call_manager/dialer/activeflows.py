"""Asks flow_manager what an answered call does next, and tells it when the call is over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import structlog
from voipbin.flow.v1 import activeflow_service_pb2
from voipbin.flow.v1.activeflow_service_pb2 import ActiveflowNextResponse
from voipbin.flow.v1.activeflow_service_pb2_grpc import ActiveflowServiceStub

from call_manager.call.domain import Call
from call_manager.dialer.actions.results import Finished
from call_manager.dialer.providers import may_ask_again
from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.tasks import TaskOwner

STOP_TRIES_MAX: Final = 6
"""How often flow_manager is told that a call is over; its own end comes at the latest then."""

_FIRST_DELAY_S: Final = 0.2
_DELAY_S_MAX: Final = 5.0

log = structlog.get_logger()


class Activeflows:
    """The running flows of calls."""

    def __init__(self, stub: ActiveflowServiceStub, clock: Clock, *, patience_s: float) -> None:
        self._stub = stub
        self._clock = clock
        self._patience_s = patience_s
        self._stops = TaskOwner("activeflow_stop")

    async def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for the ends that are still being told, then give up on them."""
        await self._stops.drain(seconds)
        await self._stops.stop()

    async def next_action(
        self, call: Call, finished: Finished, variables: Mapping[str, str]
    ) -> ActiveflowNextResponse | None:
        """Return the action after the one that is finished, and its step; None: the flow is over.

        `variables` are what the flow's actions may name; the first question tells them.

        The same question is asked again for `patience_s` while flow_manager is away; repeating
        it skips nothing. Raises MeshError when it refuses or stays away.
        """
        request = activeflow_service_pb2.ActiveflowNextRequest(
            id=str(call.activeflow_id),
            customer_id=str(call.customer_id),
            flow_id=str(call.flow_id),
            reference_type=activeflow_service_pb2.ACTIVEFLOW_REFERENCE_TYPE_CALL,
            reference_id=str(call.id),
            finished_action_id=finished.action_id,
            variables={} if finished.action_id else variables,
            finished_error=finished.error,
            found_variables=finished.found,
            finished_step=finished.step,
        )
        give_up = self._clock.monotonic() + self._patience_s
        delay_s = _FIRST_DELAY_S
        while True:
            try:
                answer = await self._stub.ActiveflowNext(request)
            except MeshError as error:
                left_s = give_up - self._clock.monotonic()
                if not may_ask_again(error) or left_s <= 0:
                    raise
                log.info("the next action did not come", error=error.message)
                await self._clock.sleep(min(delay_s, left_s))
                delay_s = min(delay_s * 2, _DELAY_S_MAX)
                continue
            return answer if answer.HasField("action") else None

    def stop(self, activeflow_id: UUID) -> None:
        """Tell flow_manager, in the background, that the call is over."""
        try:
            _ = self._stops.spawn(self._tell(activeflow_id), name=str(activeflow_id))
        except MeshError as error:
            log.warning("an activeflow is not told its end", error=error.message)

    async def _tell(self, activeflow_id: UUID) -> None:
        request = activeflow_service_pb2.ActiveflowStopRequest(id=str(activeflow_id))
        delay_s = _FIRST_DELAY_S
        for _ in range(STOP_TRIES_MAX):
            try:
                await self._stub.ActiveflowStop(request)
                return
            except MeshError as error:
                if not may_ask_again(error):
                    log.warning("an activeflow was not stopped", error=error.message)
                    return
            await self._clock.sleep(delay_s)
            delay_s = min(delay_s * 2, _DELAY_S_MAX)
        log.warning("flow_manager was not told a call's end", activeflow_id=str(activeflow_id))
