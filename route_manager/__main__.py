"""`python -m route_manager` runs the service."""

import sys

from mesh.node import main
from route_manager import rotation
from route_manager.bootstrap import NAME, build
from route_manager.settings import RouteSettings

if __name__ == "__main__":
    command = rotation.asked_for(sys.argv[1:])
    if command is None:
        main(build, RouteSettings, NAME)
    else:
        rotation.run(command)
