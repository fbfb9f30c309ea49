"""`python -m flow_manager` runs the service."""

from flow_manager.bootstrap import build
from flow_manager.settings import FlowSettings
from mesh.node import main

if __name__ == "__main__":
    main(build, FlowSettings, "flow_manager")
