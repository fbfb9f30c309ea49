"""Names of components: the simple name, unless two packages use it for different things."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor, EnumDescriptor


class Names:
    """Gives each message and enum one name, the same in every run over the same contracts."""

    def __init__(self) -> None:
        self._taken: dict[str, tuple[str, str]] = {}

    def reserve(self, *names: str) -> None:
        """Keep names for what is no message and no enum."""
        self._taken.update((name, ("", "")) for name in names)

    def of(self, described: Descriptor | EnumDescriptor, suffix: str = "") -> str:
        """Return the name of a message or an enum, in the variant that the suffix names."""
        key = (described.full_name, suffix)
        simple = f"{described.name}{suffix}"
        if self._taken.setdefault(simple, key) == key:
            return simple
        package = described.file.package.removesuffix(".v1").rpartition(".")[2].capitalize()
        longer = f"{package}{simple}"
        while self._taken.setdefault(longer, key) != key:
            longer += "_"
        return longer
