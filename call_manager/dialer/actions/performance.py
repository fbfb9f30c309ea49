"""What a call does from the beginning of its flow until its leg is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from call_manager.call.domain import Call
from call_manager.call.errors import CallNotAnswered, SpeechesTooMany
from call_manager.channel import Media
from call_manager.dialer import endings
from call_manager.dialer.actions.mouth import SPEECHES_MAX
from call_manager.dialer.actions.results import Ending
from call_manager.dialer.actions.runner import FlowRunner
from call_manager.dialer.actions.stage import Stage
from call_manager.dialer.actions.waiting import put_down
from call_manager.dialer.equipment import Equipment
from call_manager.recording.domain import Recording, RecordingWish

log = structlog.get_logger()


class Performance:
    """One call's flow at work, and what it is ordered to do meanwhile.

    It begins at once, in the context of whoever makes it, and tells `ended` how the call is to
    end when the flow is over.
    """

    def __init__(
        self,
        call: Call,
        media: Media,
        equipment: Equipment,
        ended: Callable[[Ending], Awaitable[None]],
    ) -> None:
        self._call = call
        self._ended = ended
        self._stage = Stage(call, media, equipment)
        self._flow = asyncio.create_task(self._run())

    @property
    def answered(self) -> bool:
        """Whether the callee has answered."""
        return self._stage.answered.is_set()

    def hear(self) -> None:
        """Let what needs audio begin if there is some, for the leg's may have come early."""
        if self._stage.media.flows:
            self._stage.audible.set()

    def answer(self) -> None:
        """Note the callee's answer."""
        self._stage.audible.set()
        self._stage.answered.set()

    def say(self, text: str, language: str) -> None:
        """Speak a text after what plays. Raises CallNotAnswered, SpeechesTooMany."""
        self._demand_answer()
        if not self._stage.mouth.say(lambda: self._stage.say(text, language)):
            raise SpeechesTooMany(self._call.id, SPEECHES_MAX)

    async def start_recording(self, wish: RecordingWish) -> Recording:
        """Begin to record. Raises CallNotAnswered, RecordingInProgress."""
        self._demand_answer()
        return await self._stage.recorder.start(wish)

    async def stop_recording(self) -> None:
        """End the recording, if there is one. Raises CallNotAnswered."""
        self._demand_answer()
        await self._stage.recorder.stop()

    def stop(self) -> None:
        """End the flow at once, for the call is to end."""
        self._flow.cancel()

    async def close(self) -> None:
        """End everything, for the leg is over."""
        await put_down(self._flow)
        await self._stage.close()

    def _demand_answer(self) -> None:
        if not self.answered:
            raise CallNotAnswered(self._call.id)

    async def _run(self) -> None:
        ending = Ending()
        try:
            if self._call.flow_id is not None:
                ending = await FlowRunner(self._stage).run()
        except Exception:
            log.exception("the flow broke")
            ending = Ending(detail=endings.FLOW_BROKEN)
        await self._ended(ending)
