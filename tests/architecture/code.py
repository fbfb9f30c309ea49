"""Reads our own source as the architecture tests see it: files, imports, names, functions."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each service, and the contract whose RPCs it serves.
SERVICES = {
    "api_gateway": "voipbin.account.v1",
    "call_manager": "voipbin.call.v1",
    "flow_manager": "voipbin.flow.v1",
    "route_manager": "voipbin.route.v1",
}
PACKAGES = ("mesh", *SERVICES)

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Function:
    """A function of ours, and how many lines it takes, decorators left out."""

    where: str
    lines: int


def sources(package: str) -> list[Path]:
    """Return the package's Python files; an absent package has none, which is an error."""
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package}/ has no Python file"
    return found


@cache
def tree(path: Path) -> ast.Module:
    """Return the file's syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path) -> set[str]:
    """Return the dotted names that the file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                package = ".".join(path.relative_to(ROOT).parts[: -node.level])
                names.add(f"{package}.{node.module}" if node.module else package)
            elif node.module:
                names.add(node.module)
    return names


def defined_names(path: Path) -> Iterator[tuple[str, int]]:
    """Iterate over each name that the file gives to something of its own, and its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, (*type_of_function, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr, node.lineno


def functions(path: Path) -> Iterator[Function]:
    """Iterate over the functions and methods of the file, nested ones included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, type_of_function):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            yield Function(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines)
