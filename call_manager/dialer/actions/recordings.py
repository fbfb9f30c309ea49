"""Actions of recordings: recording_start, recording_stop."""

from __future__ import annotations

from typing import Final

from call_manager.dialer.actions.options import Options
from call_manager.dialer.actions.results import DONE, ActionFailed, Done
from call_manager.dialer.actions.sounding import beep
from call_manager.dialer.actions.stage import Stage
from call_manager.recording.domain import SECONDS_MAX, Recording, RecordingWish, ending_keys

_PREFIX: Final = "voipbin.recording"


async def start(stage: Stage, options: Options) -> Done:
    """Record both sides from now on, while the flow goes on. Raises RecordingInProgress."""
    wish = RecordingWish(
        end_of_silence_s=int(options.number("end_of_silence", 0, high=SECONDS_MAX)),
        end_keys=_keys(options.text("end_of_key")),
        duration_s=int(options.number("duration", 0, high=SECONDS_MAX)),
    )
    await stage.audible.wait()
    if options.flag("beep_start"):
        await beep(stage, options)
    return Done(found=_variables(await stage.recorder.start(wish)))


async def stop(stage: Stage, _options: Options) -> Done:
    """End the recording; there need not be one, for it may have ended by itself."""
    await stage.recorder.stop()
    return DONE


def _keys(stated: str) -> frozenset[str]:
    try:
        return ending_keys(stated)
    except ValueError as error:
        raise ActionFailed(str(error)) from error


def _variables(recording: Recording) -> dict[str, str]:
    return {
        f"{_PREFIX}.id": str(recording.id),
        f"{_PREFIX}.reference_type": recording.reference_type,
        f"{_PREFIX}.reference_id": str(recording.reference_id),
        f"{_PREFIX}.format": recording.format,
    }
