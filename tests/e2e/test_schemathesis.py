"""schemathesis asks everything that the API description allows, and much that it does not.

A short run is part of every test run; `make fuzz-api` makes a long one.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.fuzzing import OWN_IDS
from tests.support.running_mesh import RunningMesh, running_mesh
from tests.support.telnyx import telnyx

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = Path(sys.executable).parent / "schemathesis"

EXAMPLES: Final = int(os.environ.get("FUZZ_API_EXAMPLES", "2"))
"""How many examples each operation gets in the phases that make them up."""
LONG_RUN_EXAMPLES: Final = 100
LONG_RUN_CASES: Final = 10_000
RUN_S_MAX: Final = 480 if EXAMPLES < LONG_RUN_EXAMPLES else 1800

CONFIGURATION: Final = """
[checks]
# What is well formed may still be refused for what it means.
positive_data_acceptance.enabled = false
# A deleted resource can still be read (contract section 1.9).
use_after_free.enabled = false

[[operations]]
# A path may be read as another one's variable: PUT /v1.0/providers/setup asks for a provider
# that is named `setup`, and hears that this is no id.
include-path = "/v1.0/providers/setup"
[operations.checks]
unsupported_method.enabled = false
allow_header_conformance.enabled = false

[[operations]]
include-path = "/v1.0/rates/quote"
[operations.checks]
unsupported_method.enabled = false
allow_header_conformance.enabled = false
"""
NO_LIMITS: Final = {
    f"VBMESH_LIMIT_{name}_PER_S": "0" for name in ("ADDRESS", "AUTH", "CUSTOMER", "DELEGATED")
}


@pytest.mark.timeout(RUN_S_MAX + 60)
@pytest.mark.one_engine("postgresql")  # The stricter one about what a text or a number may be.
async def test_no_request_breaks_a_promise_of_the_description(tmp_path: Path) -> None:
    async with telnyx() as carrier:
        environment = {**NO_LIMITS, "VBMESH_TELNYX_BASE_URL": carrier.base_url}
        async with running_mesh(tmp_path / "data", environment) as mesh:
            status, said = await asked(mesh, tmp_path)
    assert status == 0, said[-12_000:]
    cases = re.search(r"(\d+) generated", said)
    assert cases is not None, said[-2000:]
    if EXAMPLES >= LONG_RUN_EXAMPLES:
        assert int(cases[1]) >= LONG_RUN_CASES
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅ {phase}", said), f"{phase} did not run: {said[-2000:]}"


async def asked(mesh: RunningMesh, directory: Path) -> tuple[int, str]:
    """Run schemathesis against the mesh as its administrator; return its status and output."""
    configuration = directory / "schemathesis.toml"
    configuration.write_text(CONFIGURATION)
    admin = mesh.ready["admin"]
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), "--config-file", str(configuration),
        "run", f"{mesh.ready['http']}/openapi.json",
        "--header", f"Authorization: Bearer {admin['token']}",
        "--phases", "examples,coverage,fuzzing,stateful",
        "--max-examples", str(EXAMPLES), "--workers", "2", "--no-color",
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.fuzzing",
            OWN_IDS: f"{admin['agent_id']},{admin['customer_id']}",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), RUN_S_MAX)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()
