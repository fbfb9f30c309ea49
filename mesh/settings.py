"""Settings that every node has, and how they are read: all mistakes at once, or none."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

PREFIX: Final = "VBMESH_"
"""The prefix of every environment variable of the project."""

EXIT_CONFIG: Final = 2
"""The exit status when the configuration is wrong."""

SECRET_FILE_BYTES_MAX: Final = 65_536
"""A secret file larger than this is surely the wrong file."""

DATABASE_URLS: Final = ("sqlite+aiosqlite:///", "postgresql+asyncpg://")
"""How the URL of a database begins that a node can use."""

_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class SettingsMistake(ValueError):
    """One variable is wrong; the message says what, and what to do."""


class SecretFileSource(PydanticBaseSettingsSource):
    """Reads a secret from the file that `<VARIABLE>_FILE` names, as container platforms do."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's text without its last line break; only for secret fields."""
        path = os.environ.get(file_variable(field_name))
        if path is None or not _is_secret(field):
            return None, field_name, False
        return read_text(Path(path)).rstrip("\r\n"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values of all secret fields that have a file and are not set otherwise."""
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            if name in self.current_state:
                continue
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


def file_variable(field_name: str) -> str:
    """Return the variable that names the file a secret field is read from."""
    return f"{PREFIX}{field_name.upper()}_FILE"


def read_text(path: Path) -> str:
    """Read a small text file; raises SettingsMistake when it is not readable or not small."""
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_FILE_BYTES_MAX + 1)
        if len(content) > SECRET_FILE_BYTES_MAX:
            raise SettingsMistake(f"{path} is larger than {SECRET_FILE_BYTES_MAX} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise SettingsMistake(f"{path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise SettingsMistake(f"{path} is not UTF-8 text") from error


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


class MeshSettings(BaseSettings):
    """What every node can be told through its environment (`VBMESH_<FIELD>`)."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True
    )

    data_dir: Path = Field(description="The directory this node may write to.")
    grpc_listen: str = Field(
        default="127.0.0.1:0",
        description="The `host:port` the gRPC server listens on; port 0 takes any free one.",
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="The database (`sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`);"
        " one SQLite file per service in the data directory when not set.",
    )
    lab: bool = Field(
        default=False,
        description="Lab mode: loopback targets are allowed and the peer `lab` may ask anything."
        " Never on a machine that others reach.",
    )
    development: bool = Field(
        default=False, description="Whether gRPC server reflection is offered."
    )
    peer_token_file: Path | None = Field(
        default=None, description="The file that holds this node's own peer token."
    )
    peers_file: Path | None = Field(
        default=None,
        description='JSON `{"<peer>": "<SHA-256 of its token, hexadecimal>"}` of every peer that'
        " may ask here; without it nobody may.",
    )
    otlp_endpoint: str | None = Field(
        default_factory=lambda: os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        description="The OTLP/gRPC endpoint for traces (`http://host:4317`); also read from"
        " OTEL_EXPORTER_OTLP_ENDPOINT. Nothing is exported without it.",
    )
    trace_ratio: float = Field(
        default=1.0, ge=0.0, le=1.0, description="The share of new traces that is recorded."
    )
    metrics_listen: str | None = Field(
        default=None, description="The `host:port` that serves Prometheus metrics, if any."
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="The least severe log level that is written.",
    )
    drain_delay_s: float = Field(
        default=5.0,
        ge=0.0,
        le=300.0,
        description="Seconds between NOT_SERVING and refusing new work, so that load balancers"
        " notice first.",
    )
    drain_grace_s: float = Field(
        default=10.0,
        ge=0.0,
        le=600.0,
        description="Seconds that RPCs in progress get to finish after that.",
    )
    stop_grace_s: float = Field(
        default=75.0,
        ge=0.1,
        le=3600.0,
        description="Seconds that each owned part gets to stop (live work is ended in them).",
    )
    rpc_concurrency_max: int = Field(
        default=512, ge=1, le=100_000, description="RPCs served at once; more are refused."
    )
    rpc_deadline_max_s: float = Field(
        default=30.0, gt=0.0, le=600.0, description="The longest a unary RPC may take, in seconds."
    )

    @field_validator("grpc_listen", "metrics_listen")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        return value if value is None else check_address(value)

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(DATABASE_URLS):
            # Without the value, which holds a password.
            raise SettingsMistake(f"does not start with {' or '.join(DATABASE_URLS)}")
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_otlp_endpoint(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("http://", "https://")):
            raise SettingsMistake("is no URL; write for example http://127.0.0.1:4317")
        return value

    @field_validator("peer_token_file")
    @classmethod
    def _check_token_file(cls, value: Path | None) -> Path | None:
        if value is not None and not read_text(value).strip():
            raise SettingsMistake(f"{value} is empty")
        return value

    @field_validator("peers_file")
    @classmethod
    def _check_peers_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            parse_peers(read_text(value))
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments first, then the environment, then `_FILE` variables; no dotenv file."""
        return init_settings, env_settings, SecretFileSource(settings_cls)

    def database_url_for(self, service: str) -> str:
        """Return the database's URL: the one set, or the service's SQLite file."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir.absolute() / f'{service}.db'}"

    def peer_token(self) -> str | None:
        """Read this node's own peer token; None when no file is set."""
        if self.peer_token_file is None:
            return None
        return read_text(self.peer_token_file).strip()

    def peer_digests(self) -> dict[str, str]:
        """Read the peers that may ask here.

        Raises SettingsMistake when the file is no JSON object of SHA-256 digests.
        """
        if self.peers_file is None:
            return {}
        return parse_peers(read_text(self.peers_file))


def parse_peers(text: str) -> dict[str, str]:
    """Read a peers file; raises SettingsMistake when it is malformed."""
    try:
        read = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsMistake("the peers file is not JSON") from error
    if not isinstance(read, dict):
        raise SettingsMistake("the peers file is not a JSON object")
    for peer, digest in read.items():
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise SettingsMistake(f"the digest of the peer {peer!r} is not 64 hexadecimal digits")
    return read


def check_address(text: str) -> str:
    """Return `host:port` unchanged; raises SettingsMistake when it is anything else."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > 65_535:
        raise SettingsMistake("is not `host:port`; write for example 127.0.0.1:50051")
    return text


S = TypeVar("S", bound=BaseSettings)


def load(settings_class: type[S], **overrides: Any) -> S:
    """Read the settings from the environment.

    When anything is wrong, writes one line per mistake to stderr (variable, what is wrong, what
    to do) and exits with status 2.
    """
    lines = secret_file_mistakes(settings_class)
    # A placeholder, so that a broken file hides no other mistake; it is never used.
    placeholders: dict[str, Any] = dict.fromkeys(lines, "")
    try:
        settings = settings_class(**placeholders, **overrides)
        told = list(lines.values())
    except ValidationError as error:
        told = [*lines.values(), *mistakes(settings_class, error)]
    else:
        if not lines:
            return settings
    sys.stderr.write("".join(f"{line}\n" for line in told))
    raise SystemExit(EXIT_CONFIG)


def secret_file_mistakes(settings_class: type[BaseSettings]) -> dict[str, str]:
    """Return a line for each secret field whose file cannot be read."""
    lines = {}
    for name, field in settings_class.model_fields.items():
        path = os.environ.get(file_variable(name))
        if path is None or not _is_secret(field):
            continue
        try:
            read_text(Path(path))
        except SettingsMistake as mistake:
            lines[name] = f"{file_variable(name)}: {mistake}. Name a readable text file."
    return lines


def mistakes(settings_class: type[BaseSettings], error: ValidationError) -> list[str]:
    """Return one line per mistake; never with a value, which may be a secret."""
    return [_mistake_line(settings_class.model_fields, dict(item)) for item in error.errors()]


def _mistake_line(fields: Mapping[str, FieldInfo], item: Mapping[str, Any]) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    variable = f"{PREFIX}{name.upper()}" if name else f"{PREFIX}*"
    field = fields.get(name)
    hint = f" Set it to: {field.description}" if field is not None and field.description else ""
    problem = "is not set" if item["type"] == "missing" else str(item["msg"])
    # pydantic says of our own mistakes that they are a ValueError, which helps nobody.
    problem = problem.removeprefix("Value error, ").removesuffix(".")
    return f"{variable}: {problem}.{hint}"
