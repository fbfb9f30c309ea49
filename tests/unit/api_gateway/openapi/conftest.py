"""The API description of every contract there is, as the door serves it."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import ServiceDescriptor

from api_gateway.openapi.catalogue import PACKAGES
from api_gateway.openapi.document import document
from mesh import contract


def every_service() -> list[ServiceDescriptor]:
    """Return every service of ours."""
    files = [file for package in PACKAGES for file in contract.files(package)]
    return list(contract.services(*files))


@pytest.fixture(scope="session")
def api() -> Any:
    """The whole description."""
    return document(every_service())
