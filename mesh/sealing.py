"""Seals small secrets for storage: AES-256-GCM under a key of a ring kept in a file.

A sealed text is `s1.<key id>.<base64url of nonce, ciphertext and tag>`. It is bound to its place
(a row and a field): moved elsewhere it does not open. The ring's newest key seals, every key of
it opens. The file is read again when it has changed, so that a key which another process added is
used at once. Without the file nothing is sealed, for that could never be opened after a restart;
what the keys read before can open is still opened.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
KEY_ID_MAX: Final = 16
"""The length of a key's id, in characters."""

RING_BYTES_MAX: Final = 65_536
"""A larger file is surely the wrong one."""

_VERSION: Final = "s1"
_NONCE_BYTES: Final = 12  # SP 800-38D section 8.2.2: random ones are safe for 2**32 seals a key.


class KeysUnusable(Exception):
    """The key file cannot be used; the message says why, and never what is in it."""


class SealBroken(Exception):
    """A sealed text does not open: its key is not in the ring, or it was changed or moved."""

    def __init__(self, message: str, key_id: str) -> None:
        super().__init__(message)
        self.key_id = key_id


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a file by id, oldest first; the newest seals."""

    keys: Mapping[str, AESGCM] = field(repr=False)
    newest: str


class Sealer:
    """Seals and opens under the ring in a file; the file is read when it is first needed.

    Every method raises KeysUnusable when the file is missing or malformed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ring: KeyRing | None = None
        self._seen: tuple[int, int, int] | None = None

    @property
    def key_id(self) -> str:
        """Return the id of the key that seals now."""
        return self._current().newest

    @property
    def key_ids(self) -> frozenset[str]:
        """Return the ids of all keys of the ring."""
        return frozenset(self._current().keys)

    def seal(self, text: str, place: str) -> str:
        """Return the text sealed for its place; an empty text stays empty."""
        if text == "":
            return ""
        ring, nonce = self._current(), os.urandom(_NONCE_BYTES)
        sealed = ring.keys[ring.newest].encrypt(nonce, text.encode("utf-8"), place.encode("utf-8"))
        return ".".join((_VERSION, ring.newest, _encode(nonce + sealed)))

    def open(self, sealed: str, place: str) -> str:
        """Return the text that was sealed for this place; raises SealBroken."""
        if sealed == "":
            return ""
        version, key_id, octets = _parts(sealed)
        key = self._key(key_id)
        if version != _VERSION or key is None:
            raise SealBroken(f"The key {key_id} is not in {self.path}.", key_id)
        try:
            text = key.decrypt(octets[:_NONCE_BYTES], octets[_NONCE_BYTES:], place.encode("utf-8"))
        except (InvalidTag, ValueError):
            # Not chained: what failed inside may quote what it was given.
            raise SealBroken("The sealed value was changed or moved.", key_id) from None
        return text.decode("utf-8")

    def _key(self, key_id: str) -> AESGCM | None:
        if self._ring is not None and key_id in self._ring.keys:
            return self._ring.keys[key_id]
        return self._current().keys.get(key_id)

    def _current(self) -> KeyRing:
        try:
            facts = self.path.stat()
        except OSError as error:
            raise KeysUnusable(f"{self.path} cannot be read ({error.strerror})") from error
        seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        if self._ring is None or seen != self._seen:
            self._ring, self._seen = read_ring(self.path), seen
        return self._ring


def read_ring(path: Path) -> KeyRing:
    """Read a key file: a line `<key id> <base64url of 32 octets>` per key, the newest last.

    Raises KeysUnusable when it cannot be read, is empty or malformed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(RING_BYTES_MAX + 1)
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > RING_BYTES_MAX:
        raise KeysUnusable(f"{path} is larger than {RING_BYTES_MAX} bytes")
    keys: dict[str, AESGCM] = {}
    for number, line in enumerate(content.decode("ascii", "replace").splitlines(), 1):
        if line.strip():
            key_id, key = _key_of(line, f"line {number} of {path}")
            # A key that stands twice is as new as its last line says.
            keys.pop(key_id, None)
            keys[key_id] = AESGCM(key)
    if not keys:
        raise KeysUnusable(f"{path} holds no key")
    return KeyRing(keys, list(keys)[-1])


def mint_ring(path: Path) -> None:
    """Make a key file (mode 0600) with one new key, unless there is one; all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path):
        if not path.exists():
            _write(path, _new_line())


def add_key(path: Path) -> str:
    """Add a new key to the file, which seals from now on; return its id.

    Raises KeysUnusable when there is no usable file.
    """
    try:
        with _locked(path):
            read_ring(path)
            text = path.read_text("ascii")
            _write(path, text + ("" if text.endswith("\n") else "\n") + _new_line())
    except OSError as error:
        raise KeysUnusable(f"{path} cannot be written ({error.strerror})") from error
    return read_ring(path).newest


def key_id_of(key: bytes) -> str:
    """Return the id of a key: it follows from the key, so that no two keys share one."""
    return hashlib.sha256(b"mesh sealing key id\0" + key).hexdigest()[:KEY_ID_MAX]


def _parts(sealed: str) -> tuple[str, str, bytes]:
    version, _, rest = sealed.partition(".")
    key_id, _, body = rest.partition(".")
    try:
        return version, key_id[:KEY_ID_MAX], base64.urlsafe_b64decode(body.encode("ascii"))
    except (binascii.Error, ValueError):
        raise SealBroken("The value is no sealed one.", "") from None


def _key_of(line: str, where: str) -> tuple[str, bytes]:
    words = line.split()
    try:
        key = base64.urlsafe_b64decode(words[1].encode("ascii"))
    except (IndexError, ValueError):
        raise KeysUnusable(f"{where} is no key") from None
    if len(words) > 2 or len(key) != KEY_BYTES or key_id_of(key) != words[0]:
        raise KeysUnusable(f"{where} is no key, or not the one its id says")
    return words[0], key


def _new_line() -> str:
    key = os.urandom(KEY_BYTES)
    return f"{key_id_of(key)} {_encode(key)}\n"


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside the file: two processes that add a key must not lose one."""
    with path.with_name(f"{path.name}.lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, text: str) -> None:
    """Replace the file, durably: a key that sealed something must not be lost by a crash."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
