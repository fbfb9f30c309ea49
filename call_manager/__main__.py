"""Runs call_manager: `python -m call_manager`."""

from call_manager.bootstrap import NAME, build
from call_manager.settings import CallSettings
from mesh.node import main

if __name__ == "__main__":
    main(build, CallSettings, NAME)
