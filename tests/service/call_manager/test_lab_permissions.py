"""What a lab allowed its customers, on data that is no lab's any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.call_manager.calls_world import NUMBER, World, facts, refusal


@pytest.mark.parametrize("lab", [True, False])
async def test_whom_a_lab_let_call_everywhere_may_do_so_in_a_lab_only(
    tmp_path: Path, database_url: str, lab: bool
) -> None:
    world = World(tmp_path, database_url)
    world.lab = lab
    async with world.running():
        if lab:
            assert (await world.create(NUMBER)).outcomes[0].admitted
            return
        error = await refusal(world.create(NUMBER))
        assert facts(error)[:2] == ("PERMISSION_DENIED", "DESTINATION_NOT_ALLOWED")
        assert await world.counts() == (0, 0)
