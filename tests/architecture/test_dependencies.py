"""What gets installed is what the lock says, down to the hash, from the public index only."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.architecture.code import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
ENTRY = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;]+)", re.MULTILINE)


def normal(name: str) -> str:
    """Return a package's name as every index spells it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> list[str]:
    """Return the requirements that pyproject.toml states, the developers' included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["dev"]]


def locked() -> dict[str, str]:
    """Return the version of each locked package."""
    return {normal(entry["name"]): entry["version"] for entry in ENTRY.finditer(LOCK)}


@pytest.mark.parametrize("stated", declared())
def test_the_lock_satisfies_what_the_project_states(stated: str) -> None:
    requirement = Requirement(stated)
    version = locked().get(normal(requirement.name))
    assert version is not None, f"{requirement.name} is not locked; run `make lock`"
    assert requirement.specifier.contains(version, prereleases=True), "run `make lock`"


def test_every_locked_package_has_a_hash() -> None:
    blocks = [block for block in re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE) if block.strip()]
    # A package may stand there twice, with a version for each range of Python's.
    entries = list(ENTRY.finditer(LOCK))
    assert len(blocks) == len(entries), "the lock has lines that are no `name==version`"
    assert not [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block]


def test_the_lock_names_no_place() -> None:
    """A host or a path would be somebody's own machine."""
    assert not re.search(r"://|^-|(^|\s)[./]", LOCK, flags=re.MULTILINE)
