"""Actions without audio: answer, sleep, hangup, stop."""

from __future__ import annotations

from uuid import UUID

from call_manager.call import repository as calls
from call_manager.call.domain import HangupReason
from call_manager.call.hangup import CAUSE_OF_REASON, Cause
from call_manager.dialer.actions.options import WAIT_MS_MAX, Options
from call_manager.dialer.actions.results import DONE, Done, Ending
from call_manager.dialer.actions.stage import Stage
from mesh.database import Transaction


async def answer(stage: Stage, _options: Options) -> Done:
    """Wait for the callee's answer: at once, unless the flow began while the phone rang."""
    await stage.answered.wait()
    return DONE


async def sleep(stage: Stage, options: Options) -> Done:
    """Let time pass."""
    await stage.equipment.clock.sleep(options.number("duration", 0, high=WAIT_MS_MAX) / 1000)
    return DONE


async def hangup(stage: Stage, options: Options) -> Done:
    """End the call, for the reason that is given, or that the call of `reference_id` ended for."""
    reason, detail = options.text("reason"), ""
    if reference := options.text("reference_id"):
        reason, detail = await _reason_of(stage, reference)
    known = HangupReason(reason) if reason in set(HangupReason) else HangupReason.NORMAL
    return Done(Ending(CAUSE_OF_REASON.get(known, Cause.NORMAL), detail=detail))


async def _reason_of(stage: Stage, reference: str) -> tuple[str, str]:
    """Return why another call of the customer's ended; or no reason, and why not."""
    unknown = f"The call {reference[:64]}, which the hangup refers to, is not over or not known."
    try:
        call_id = UUID(reference)
    except ValueError:
        return "", unknown

    async def work(tx: Transaction) -> str:
        found = await calls.call(tx, call_id)
        if found is None or found.customer_id != stage.call.customer_id:
            return ""
        return found.hangup_reason.value if found.hangup_reason is not None else ""

    reason = await stage.equipment.database.read(work, name="call_reference")
    return reason, "" if reason else unknown


async def stop(_stage: Stage, _options: Options) -> Done:
    """End the flow, and the call with it."""
    return Done(Ending())
