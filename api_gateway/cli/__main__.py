"""`python -m api_gateway.cli` is `vbmesh`."""

from api_gateway.cli.main import main

main()
