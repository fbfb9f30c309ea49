"""Reads a script from YAML: every value as its text, every mistake with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from call_manager.simulator.script import Script

FILE_MAX: Final = 1 << 20
VALUES_MAX: Final = 50_000
"""Values in a script, those that aliases repeat included: a short file can name billions."""
DEPTH_MAX: Final = 24

Where = tuple[str | int, ...]
Value = str | list["Value"] | dict[str, "Value"]


class ScriptMistake(ValueError):
    """A script cannot be used; each line of the message is one mistake, with file and line."""


def load(path: Path) -> Script:
    """Read a whole script; raises `ScriptMistake` naming every mistake, and `OSError`."""
    with path.open("rb") as file:
        raw = file.read(FILE_MAX + 1)
    if len(raw) > FILE_MAX:
        raise ScriptMistake(f"{path}: longer than {FILE_MAX} octets.")
    reader = _Reader(path)
    given = reader.value(_compose(path, raw), ())
    try:
        return Script.model_validate(given)
    except ValidationError as error:
        lines = [reader.mistake(tuple(e["loc"]), e["msg"]) for e in error.errors()]
        raise ScriptMistake("\n".join(dict.fromkeys(lines))) from error


def _compose(path: Path, raw: bytes) -> yaml.Node:
    try:
        root = yaml.compose(raw.decode("utf-8"), Loader=yaml.BaseLoader)
    except UnicodeDecodeError as error:
        raise ScriptMistake(f"{path}: not UTF-8.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise ScriptMistake(f"{path}:{line}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ScriptMistake(f"{path}: no YAML: {error}.") from error
    if root is None:
        raise ScriptMistake(f"{path}: empty.")
    return root


class _Reader:
    """Turns nodes into values and remembers the line of each.

    Scalars stay text, and the models convert what must be a number: `0101` is a telephone
    number here, neither octal nor a hundred and one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[Where, int] = {}

    def value(self, node: yaml.Node, where: Where) -> Value:
        """Return a node's value; raises `ScriptMistake` for what is too much, or twice."""
        line = node.start_mark.line + 1
        self._lines.setdefault(where, line)
        if len(self._lines) > VALUES_MAX or len(where) > DEPTH_MAX:
            raise ScriptMistake(f"{self._path}:{line}: too much, or too deep.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*where, n)) for n, item in enumerate(node.value)]
        if not isinstance(node, yaml.ScalarNode):
            raise ScriptMistake(f"{self._path}:{line}: not a value.")
        return node.value

    def mistake(self, where: Where, what: str) -> str:
        """Write one mistake: file, line, field, and what is wrong."""
        found = where
        while found and found not in self._lines:
            found = found[:-1]
        # What is missing has no line of its own, and its parent's is the one to change.
        field = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in where).lstrip(".")
        sentence = what.removeprefix("Value error, ")
        return f"{self._path}:{self._lines.get(found, 1)}: {field or 'script'}: {sentence}"

    def _mapping(self, node: yaml.MappingNode, where: Where) -> Value:
        found: dict[str, Value] = {}
        for key, item in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ScriptMistake(f"{self._path}:{line}: a key is a word.")
            name = key.value
            if name in found:
                raise ScriptMistake(f"{self._path}:{line}: {name}: stands here twice.")
            self._lines[*where, name] = line
            found[name] = self.value(item, (*where, name))
        return found
