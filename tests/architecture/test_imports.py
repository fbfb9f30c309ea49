"""Services meet only through protos, and mesh knows none of them."""

import re

import pytest

from tests.architecture.code import PACKAGES, ROOT, SERVICES, defined_names, imports, sources

# What belongs to a service, so mesh has no name for it. `call` alone is also gRPC's word.
SERVICE_WORDS = {
    "activeflow", "dialroute", "flow", "groupcall", "provider", "providercall", "route",
}  # fmt: skip
# Only tests and tools may lean on tests and tools.
NOT_SHIPPED = {"tests", "scripts", "benchmarks"}


def imported_packages(package: str) -> dict[str, str]:
    """Return each top-level package that a package imports, and a file that does."""
    return {
        name.split(".")[0]: str(path.relative_to(ROOT))
        for path in sources(package)
        for name in imports(path)
    }


def words(name: str) -> set[str]:
    """Return the words of an identifier, in lower case and singular."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {part.lower().removesuffix("s") for part in parts}


@pytest.mark.parametrize("service", SERVICES)
def test_services_meet_only_through_protos(service: str) -> None:
    imported = imported_packages(service)
    strangers = {name: imported[name] for name in imported.keys() & (SERVICES.keys() - {service})}
    assert not strangers, f"{service} reaches into {strangers}; call their RPC instead"


def test_mesh_imports_no_service() -> None:
    imported = imported_packages("mesh")
    assert not {name: imported[name] for name in imported.keys() & SERVICES.keys()}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_shipped_imports_nothing_that_is_not(package: str) -> None:
    imported = imported_packages(package)
    assert not {name: imported[name] for name in imported.keys() & NOT_SHIPPED}


def test_mesh_reads_no_contract_but_its_own() -> None:
    foreign = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources("mesh")
        for name in imports(path)
        if name.startswith("voipbin.") and not name.startswith("voipbin.mesh.")
    }
    assert not foreign


def test_mesh_has_no_name_for_what_a_service_owns() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sources("mesh")
        for name, line in defined_names(path)
        if words(name) & SERVICE_WORDS or name.lower() in SERVICES
    ]
    assert not found, f"mesh is what a fifth service would need unchanged; not so: {found}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("route_ids", {"route", "id"}),
        ("ProviderCallCreate", {"provider", "call", "create"}),
        ("DIALROUTES_MAX", {"dialroute", "max"}),
        ("RPCRoute", {"rpc", "route"}),
    ],
)
def test_identifiers_are_taken_apart_into_words(name: str, expected: set[str]) -> None:
    assert words(name) == expected
