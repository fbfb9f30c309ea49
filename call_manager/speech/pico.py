"""The embedded voice's own process: a text on standard input, its sound on standard output.

Run by its path, never imported: it says one text with SVOX Pico (py-nanotts) in the language that
its one argument names, as 16-bit linear samples at 16 kHz, and ends. Code in C that reads what
strangers wrote belongs in no process that holds calls.
"""

import os
import resource
import sys
from typing import Final

from py_nanotts import NanoTTS

NICENESS: Final = 10
CPU_S: Final = 10
MEMORY_BYTES: Final = 512 * 1024 * 1024


def main() -> None:
    """Say what is on standard input."""
    # Live calls come first: their audio has to leave every 20 ms.
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    text = sys.stdin.buffer.read().decode("utf-8")
    sys.stdout.buffer.write(NanoTTS().speak(text, voice=sys.argv[1]))


if __name__ == "__main__":
    main()
