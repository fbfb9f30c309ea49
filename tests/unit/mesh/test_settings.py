from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from mesh.settings import MeshSettings, SettingsMistake, load, parse_peers


class NoteSettings(MeshSettings):
    """What a service adds."""

    notes_max: int = Field(default=10, ge=1, description="The most notes kept.")
    note_key: SecretStr = Field(description="The key that notes are sealed with.")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("VBMESH_", "OTEL_")):
            monkeypatch.delenv(name)


def test_variables_are_read_by_their_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBMESH_DATA_DIR", "/srv/notes")
    monkeypatch.setenv("VBMESH_NOTE_KEY", "k")
    monkeypatch.setenv("VBMESH_LAB", "1")
    settings = load(NoteSettings)
    assert settings.data_dir == Path("/srv/notes")
    assert settings.lab
    assert not settings.development
    assert settings.database_url_for("notes") == "sqlite+aiosqlite:////srv/notes/notes.db"


def test_all_mistakes_are_told_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VBMESH_NOTES_MAX", "many")
    monkeypatch.setenv("VBMESH_GRPC_LISTEN", "here")
    with pytest.raises(SystemExit) as caught:
        load(NoteSettings)
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [
        "VBMESH_DATA_DIR",
        "VBMESH_GRPC_LISTEN",
        "VBMESH_NOTES_MAX",
        "VBMESH_NOTE_KEY",
    ]
    assert any("is not set. Set it to: The key that notes are sealed with." in ln for ln in lines)


def test_a_mistake_never_shows_the_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VBMESH_NOTES_MAX", "swordfish")
    with pytest.raises(SystemExit):
        load(NoteSettings)
    assert "swordfish" not in capsys.readouterr().err


def test_a_secret_is_read_from_the_file_that_its_variable_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("from the file\n", encoding="utf-8")
    monkeypatch.setenv("VBMESH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VBMESH_NOTE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("VBMESH_NOTES_MAX_FILE", str(tmp_path / "key"))
    settings = load(NoteSettings)
    assert settings.note_key.get_secret_value() == "from the file"
    assert settings.notes_max == 10
    assert "from the file" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VBMESH_PEERS_FILE", str(tmp_path / "nobody"))
    monkeypatch.setenv("VBMESH_NOTE_KEY_FILE", str(tmp_path / "nothing"))
    with pytest.raises(SystemExit) as caught:
        load(NoteSettings)
    assert caught.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(":")[0] for line in lines) == [
        "VBMESH_DATA_DIR",
        "VBMESH_NOTE_KEY_FILE",
        "VBMESH_PEERS_FILE",
    ]
    assert sum("cannot be read (No such file or directory)" in line for line in lines) == 2


def test_a_secret_file_has_a_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_bytes(b"x" * 65_537)
    monkeypatch.setenv("VBMESH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VBMESH_NOTE_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(SystemExit):
        load(NoteSettings)
    assert "larger than" in capsys.readouterr().err


def test_the_trace_endpoint_has_a_second_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
    assert MeshSettings(data_dir=Path()).otlp_endpoint == "http://127.0.0.1:4317"
    monkeypatch.setenv("VBMESH_OTLP_ENDPOINT", "http://127.0.0.1:1")
    assert MeshSettings(data_dir=Path()).otlp_endpoint == "http://127.0.0.1:1"


def test_settings_do_not_change() -> None:
    settings = MeshSettings(data_dir=Path())
    with pytest.raises(ValueError, match="frozen"):
        settings.lab = True  # type: ignore[misc]


def test_every_variable_has_a_sentence() -> None:
    for name, field in MeshSettings.model_fields.items():
        assert field.description, name
        assert field.description.endswith((".", "any.")), name


@pytest.mark.parametrize(
    "listen", ["127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536", "a b:1", "http://x:1", "[::1]"]
)
def test_a_listen_address_is_a_host_and_a_port(listen: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        MeshSettings(data_dir=Path(), grpc_listen=listen)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:50051", "localhost:65535"])
def test_a_right_listen_address_is_kept(listen: str) -> None:
    assert MeshSettings(data_dir=Path(), grpc_listen=listen).grpc_listen == listen


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"a": "xyz"}', '{"a": "' + "A" * 64 + '"}']
)
def test_a_malformed_peers_file_is_refused(text: str) -> None:
    with pytest.raises(SettingsMistake):
        parse_peers(text)


def test_nobody_may_ask_without_a_peers_file() -> None:
    assert MeshSettings(data_dir=Path()).peer_digests() == {}


@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [
        ("DATABASE_URL", "mysql://me:swordfish@host/db", "postgresql+asyncpg://me@host/db"),
        ("DATABASE_URL", "sqlite:///swordfish.db", "sqlite+aiosqlite:////srv/notes/notes.db"),
        ("OTLP_ENDPOINT", "host:4317", "http://host:4317"),
    ],
)
def test_a_url_that_nobody_here_can_use_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    name: str,
    wrong: str,
    right: str,
) -> None:
    monkeypatch.setenv("VBMESH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("VBMESH_NOTE_KEY", "key")
    monkeypatch.setenv(f"VBMESH_{name}", wrong)
    with pytest.raises(SystemExit):
        load(NoteSettings)
    told = capsys.readouterr().err
    assert told.startswith(f"VBMESH_{name}: ")
    assert "swordfish" not in told
    monkeypatch.setenv(f"VBMESH_{name}", right)
    load(NoteSettings)
