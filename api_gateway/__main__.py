"""`python -m api_gateway` runs the service."""

from api_gateway.bootstrap import NAME, build
from api_gateway.settings import GatewaySettings
from mesh.node import main

if __name__ == "__main__":
    main(build, GatewaySettings, NAME)
