"""What route_manager can be told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from route_manager.settings import RouteSettings


def read(tmp_path: Path, **changes: Any) -> RouteSettings:
    return RouteSettings(
        data_dir=tmp_path,
        call_manager_address="127.0.0.1:1",
        flow_manager_address="127.0.0.1:2",
        **changes,
    )


def test_the_defaults_leave_room_for_the_questions_that_placing_causes(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.dial_window_s == 30.0
    assert 4 * settings.providercalls_max <= settings.rpc_concurrency_max


def test_a_budget_that_could_starve_those_questions_is_refused(tmp_path: Path) -> None:
    read(tmp_path, providercalls_max=2, rpc_concurrency_max=8)
    with pytest.raises(ValidationError, match="VBMESH_PROVIDERCALLS_MAX"):
        read(tmp_path, providercalls_max=3, rpc_concurrency_max=8)


def test_the_neighbours_addresses_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CALL", "FLOW"):
        monkeypatch.delenv(f"VBMESH_{name}_MANAGER_ADDRESS", raising=False)
    with pytest.raises(ValidationError) as caught:
        RouteSettings(data_dir=tmp_path)
    missing = {error["loc"][0] for error in caught.value.errors()}
    assert missing == {"call_manager_address", "flow_manager_address"}


@pytest.mark.parametrize(
    ("url", "lab", "taken"),
    [
        ("https://api.telnyx.com/v2", False, True),
        ("http://api.telnyx.com/v2", True, False),
        ("https://192.0.2.1/v2", True, False),
        ("https://api.telnyx.com/v2?key=1", False, False),
        ("https://user:secret@api.telnyx.com/v2", False, False),
        ("https://api.telnyx.com:port/v2", False, False),
        ("http://127.0.0.1:8080/v2", True, True),
        ("http://127.0.0.1:8080/v2", False, False),
        ("https://localhost/v2", False, False),
        ("file:///etc/passwd", True, False),
    ],
)
def test_an_accounts_key_is_sent_to_a_carrier_or_in_the_lab_to_this_machine(
    tmp_path: Path, url: str, lab: bool, taken: bool
) -> None:
    if taken:
        assert read(tmp_path, telnyx_base_url=url, lab=lab).telnyx_base_url == url
        return
    with pytest.raises(ValidationError, match="VBMESH_TELNYX_BASE_URL"):
        read(tmp_path, telnyx_base_url=url, lab=lab)


@pytest.mark.parametrize(
    "fqdn", ["sip", "sip.example.com.", "192.0.2.1", "sip_.example.com", "a b.c"]
)
def test_a_public_sip_address_is_a_full_host_name(tmp_path: Path, fqdn: str) -> None:
    assert read(tmp_path, public_sip_fqdn="sip.example.com").public_sip_port == 5060
    with pytest.raises(ValidationError, match="no full host name"):
        read(tmp_path, public_sip_fqdn=fqdn)
