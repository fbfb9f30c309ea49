"""Every metric, and every span that has a name of its own, is in docs/observability.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from api_gateway.transcoder import telemetry as _gateway
from call_manager.billing import metrics as _money
from call_manager.dialer import metrics as _calls
from mesh.telemetry import REGISTRY
from route_manager.health import metrics as _health
from route_manager.providercall import metrics as _provider_calls

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "observability.md").read_text()
SERVICES: Final = ("api_gateway", "call_manager", "flow_manager", "route_manager")
METRIC_MODULES: Final = (_gateway, _money, _calls, _health, _provider_calls)
"""Where metrics are made; importing them puts them into the registry."""
METRIC_MADE: Final = re.compile(r"(?m)^\w+: Final = (?:Counter|Gauge|Histogram)\(")
SPAN_BEGUN: Final = re.compile(r"\b(?:span|start_span)\(\s*(f?)\"([a-zA-Z_ ]+)")


def sources() -> list[Path]:
    return [path for service in SERVICES for path in (ROOT / service).rglob("*.py")]


def spans() -> set[str]:
    """The names that spans begin with; what is filled in stands as `…` on the page."""
    return {
        name.rstrip() + (" …" if filled else "")
        for path in sources()
        for filled, name in SPAN_BEGUN.findall(path.read_text())
    }


def metrics() -> set[str]:
    names = set()
    for family in REGISTRY.collect():
        names.add(family.name + ("_total" if family.type == "counter" else ""))
    return names


def test_metrics_are_made_where_this_test_looks_for_them() -> None:
    made = {path for path in sources() if METRIC_MADE.search(path.read_text())}
    assert made == {Path(str(module.__file__)) for module in METRIC_MODULES}


@pytest.mark.parametrize("name", sorted(metrics()))
def test_a_metric_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("name", sorted(spans() | {"INVITE"}))
def test_a_span_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_nothing_is_documented_that_is_not_there() -> None:
    told = re.findall(r"`([a-z_]+_(?:total|seconds|running|live|mistakes)|provider_health)`", PAGE)
    assert set(told) == metrics()
