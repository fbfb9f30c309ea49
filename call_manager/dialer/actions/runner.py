"""Runs a call's flow: asks for an action, does it, asks for the next and says how it went."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import structlog
from voipbin.flow.v1.action_pb2 import Action

from call_manager.call import convert
from call_manager.call import repository as calls
from call_manager.call.domain import HangupReason
from call_manager.call.hangup import Cause
from call_manager.call.variables import builtin_variables
from call_manager.dialer import repository
from call_manager.dialer.actions import control, digits, recordings, sounding
from call_manager.dialer.actions.options import Options
from call_manager.dialer.actions.results import (
    DONE,
    ERROR_CHARACTERS_MAX,
    ActionFailed,
    Done,
    Ending,
    Finished,
)
from call_manager.dialer.actions.stage import Stage
from call_manager.dialer.metrics import ACTIONS_FAILED
from mesh import telemetry
from mesh.database import Transaction
from mesh.errors import MeshError
from mesh.verdict import storable

ACTIONS_MAX: Final = 2000
"""The most actions one call runs; flow_manager's own loop guard strikes at 1000."""

BROKEN: Final = "The action broke; the log has more."
LATE: Final = "The action took longer than it may."

Handler = Callable[[Stage, Options], Awaitable[Done]]

HANDLERS: Final[Mapping[str, Handler]] = {
    "answer": control.answer,
    "sleep": control.sleep,
    "hangup": control.hangup,
    "stop": control.stop,
    "talk": sounding.talk,
    "play": sounding.play,
    "beep": sounding.beep,
    "echo": sounding.echo,
    "digits_send": digits.send,
    "digits_receive": digits.receive,
    "recording_start": recordings.start,
    "recording_stop": recordings.stop,
}
"""Who does which action; the others are flow_manager's own."""

log = structlog.get_logger()


class FlowRunner:
    """One call's flow."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._call = stage.call
        self._equipment = stage.equipment

    async def run(self) -> Ending:
        """Run to the flow's end and return how the call ends; cancelled when the leg ends first."""
        try:
            return await self._run(await self._variables())
        except MeshError as error:
            log.warning("the flow cannot go on", error=error.message, reason=error.reason)
            return Ending(detail=f"The flow could not go on: {error.message}")

    async def _run(self, variables: Mapping[str, str]) -> Ending:
        finished = Finished()
        for _ in range(ACTIONS_MAX):
            answer = await self._equipment.activeflows.next_action(self._call, finished, variables)
            if answer is None:
                return Ending()
            done, error = await self._do(answer.action)
            if done.ending is not None:
                return done.ending
            finished = Finished(answer.action.id, error, done.found, answer.step)
        return Ending(detail=f"The flow ran {ACTIONS_MAX} actions without an end.")

    async def _variables(self) -> Mapping[str, str]:
        """Return what the customer gave, and the call's own."""

        async def work(tx: Transaction) -> Mapping[str, str]:
            return await calls.variables_of(tx, self._call.creation_id)

        given = await self._equipment.database.read(work, name="call_variables")
        return {**given, **builtin_variables(self._call)}

    async def _do(self, action: Action) -> tuple[Done, str]:
        """Do one action; return what became of it, and why it failed if it did."""
        handler = HANDLERS.get(action.type)
        if handler is None:
            log.error("flow_manager knows an action we do not", action=action.type)
            detail = f"The flow's action {action.type!r} is not known to the dialer."
            return Done(Ending(Cause.TEMPORARY_FAILURE, HangupReason.FAILED, detail)), ""
        await self._keep(action)
        log.info("action begins", action=action.type, action_id=action.id)
        with telemetry.span(f"action {action.type}"):
            done, error = await self._tried(handler, action)
        if error:
            # It moves on to the next (CONTRACT.md section 2.7), and says so.
            log.warning("action failed", action=action.type, action_id=action.id, error=error)
            ACTIONS_FAILED.labels(action.type).inc()
            failed = Action()
            failed.CopyFrom(action)
            failed.error = error
            await self._keep(failed)
        return done, error

    async def _tried(self, handler: Handler, action: Action) -> tuple[Done, str]:
        try:
            return await handler(self._stage, Options(action)), ""
        except ActionFailed as failure:
            error = str(failure)
        except MeshError as refusal:
            error = refusal.message
        except TimeoutError:
            error = LATE
        except Exception:
            log.exception("action broke", action=action.type, action_id=action.id)
            error = BROKEN
        return DONE, storable(error)[:ERROR_CHARACTERS_MAX]

    async def _keep(self, action: Action) -> None:
        plain, now = convert.action_to_plain(action), self._equipment.clock.now()

        async def work(tx: Transaction) -> None:
            await repository.keep_action(tx, self._call.id, plain, now)

        try:
            await self._equipment.database.transact(work, name="call_action")
        except MeshError as error:
            # It is for people to see; the call itself does not depend on it.
            log.warning("the current action was not kept", error=error.message)
