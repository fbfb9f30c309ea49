"""`python -m route_manager` runs the service."""

from mesh.node import main
from route_manager.bootstrap import NAME, build
from route_manager.settings import RouteSettings

if __name__ == "__main__":
    main(build, RouteSettings, NAME)
