"""Runs an answered call's flow: asks for an action, does it, asks for the next."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from voipbin.flow.v1.action_pb2 import Action

from call_manager.call import convert
from call_manager.call import repository as calls
from call_manager.call.domain import Call, HangupReason
from call_manager.call.hangup import CAUSE_OF_REASON, Cause
from call_manager.call.variables import builtin_variables
from call_manager.channel import Media
from call_manager.dialer import repository
from call_manager.dialer.equipment import Equipment
from mesh import telemetry
from mesh.database import Transaction
from mesh.errors import MeshError

ACTIONS_MAX: Final = 2000
"""The most actions one call runs; flow_manager's own loop guard strikes at 1000."""

SLEEP_MS_MAX: Final = 3_600_000
"""The longest one `sleep` may last, in milliseconds."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a flow wants its call to end."""

    cause: Cause = Cause.NORMAL
    reason: HangupReason | None = None
    """None: it follows from the cause (CONTRACT.md section 3.3)."""
    detail: str = ""


class FlowRunner:
    """One call's flow."""

    def __init__(self, call: Call, media: Media, equipment: Equipment) -> None:
        self._call = call
        self._media = media
        self._equipment = equipment
        self._handlers: Mapping[str, Callable[[Action], Awaitable[Ending | None]]] = {
            "answer": self._answer,
            "sleep": self._sleep,
            "beep": self._beep,
            "hangup": self._hangup,
            "stop": self._stop,
        }

    async def run(self) -> Ending:
        """Run to the flow's end and return how the call ends; cancelled when the leg ends first."""
        try:
            return await self._run(await self._variables())
        except MeshError as error:
            log.warning("the flow cannot go on", error=error.message, reason=error.reason)
            return Ending(detail=f"The flow could not go on: {error.message}")

    async def _run(self, variables: Mapping[str, str]) -> Ending:
        finished = ""
        for _ in range(ACTIONS_MAX):
            action = await self._equipment.activeflows.next_action(self._call, finished, variables)
            if action is None:
                return Ending()
            ending = await self._do(action)
            if ending is not None:
                return ending
            finished = action.id
        return Ending(detail=f"The flow ran {ACTIONS_MAX} actions without an end.")

    async def _variables(self) -> Mapping[str, str]:
        """Return what the customer gave, and the call's own."""

        async def work(tx: Transaction) -> Mapping[str, str]:
            return await calls.variables_of(tx, self._call.creation_id)

        given = await self._equipment.database.read(work, name="call_variables")
        return {**given, **builtin_variables(self._call)}

    async def _do(self, action: Action) -> Ending | None:
        handler = self._handlers.get(action.type)
        if handler is None:
            log.error("flow_manager knows an action we do not", action=action.type)
            detail = f"The flow's action {action.type!r} is not known to the dialer."
            return Ending(Cause.TEMPORARY_FAILURE, HangupReason.FAILED, detail)
        await self._keep(action)
        log.info("action begins", action=action.type, action_id=action.id)
        try:
            with telemetry.span(f"action {action.type}"):
                return await handler(action)
        except Exception:
            # An action that fails moves on to the next (CONTRACT.md section 2.7).
            log.exception("action failed", action=action.type, action_id=action.id)
            return None

    async def _keep(self, action: Action) -> None:
        plain, now = convert.action_to_plain(action), self._equipment.clock.now()

        async def work(tx: Transaction) -> None:
            await repository.keep_action(tx, self._call.id, plain, now)

        try:
            await self._equipment.database.transact(work, name="call_action")
        except MeshError as error:
            # It is for people to see; the call itself does not depend on it.
            log.warning("the current action was not kept", error=error.message)

    async def _answer(self, _action: Action) -> None:
        """Do nothing: an outgoing call that runs a flow is answered already."""

    async def _sleep(self, action: Action) -> None:
        await self._equipment.clock.sleep(_sleep_ms(action) / 1000)

    async def _beep(self, _action: Action) -> None:
        await self._media.beep()

    async def _hangup(self, action: Action) -> Ending:
        wanted = action.option.fields["reason"].string_value if action.HasField("option") else ""
        return Ending(CAUSE_OF_REASON.get(_reason(wanted), Cause.NORMAL))

    async def _stop(self, _action: Action) -> Ending:
        return Ending()


def _sleep_ms(action: Action) -> float:
    duration = action.option.fields["duration"].number_value
    if not 0 <= duration <= SLEEP_MS_MAX:
        raise ValueError(f"a sleep of {duration} ms is out of range")
    return duration


def _reason(text: str) -> HangupReason:
    return HangupReason(text) if text in set(HangupReason) else HangupReason.NORMAL
