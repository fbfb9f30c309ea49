"""Throws what coverage teaches at everything that reads SIP, for `make fuzz-sip`.

Atheris mutates RFC 4475's messages towards code that no message reached yet; each is read in
every way that the channel reads one. What breaks the reading is left beside this run's name.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Final

SECONDS: Final = 60
MEGABYTES: Final = 1024
MESSAGE_MAX: Final = 8192
"""Octets of a fuzzed message; longer ones are tested where time is measured."""


def main() -> None:
    """Fuzz for so many seconds; says so, and ends well, where atheris is not installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    seconds = parser.parse_args().seconds
    if importlib.util.find_spec("atheris") is None:
        print(
            "The coverage-guided fuzzer is left out: atheris is not installed, and has no wheel "
            "for every system. The fuzzing with hypothesis above is complete without it."
        )
        return
    import atheris  # noqa: PLC0415 - an extra

    with atheris.instrument_imports(include=["call_manager.sip", "aiosipua"]):
        from tests.support.sip_mutations import read_everything  # noqa: PLC0415 - instrumented
        from tests.support.torture import TORTURES  # noqa: PLC0415 - imports what is instrumented
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-sip-"))
    for torture in TORTURES:
        (corpus / torture.section).write_bytes(torture.raw)
    print(f"Fuzzing for {seconds} s; messages and crashes are kept in {corpus}.")
    limits = (f"-max_total_time={seconds}", f"-rss_limit_mb={MEGABYTES}", "-timeout=10")
    arguments = [sys.argv[0], *limits, f"-max_len={MESSAGE_MAX}", f"-artifact_prefix={corpus}/"]
    atheris.Setup([*arguments, "-print_final_stats=1", str(corpus)], read_everything)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
