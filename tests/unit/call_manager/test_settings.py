"""What call_manager refuses to start with."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from call_manager.settings import CallSettings

NEEDED: dict[str, Any] = {
    "data_dir": Path("/nowhere"),
    "route_manager_address": "127.0.0.1:1",
    "flow_manager_address": "dns:///flow-manager:50051",
}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sip_listen": "0.0.0.0:5060"}, "advertised"),
        ({"sip_listen": "5060"}, "host:port"),
        ({"sip_advertised": "sip.example"}, "host:port"),
        ({"rtp_port_first": 30_000, "rtp_port_last": 30_000}, "RTP_PORT"),
        ({"rtp_listen": "localhost"}, "localhost"),
        ({"ring_timeout_s": 0}, "greater than 0"),
        ({"sip_tls_listen": "127.0.0.1:5061"}, "needed together"),
        ({"sip_tls_key": Path("/k")}, "needed together"),
        ({"sip_tls_advertised": "sip.example"}, "host:port"),
        (
            {"sip_tls_listen": "here:1", "sip_tls_cert": Path("/c"), "sip_tls_key": Path("/k")},
            "SIP_TLS_LISTEN",
        ),
        ({"sip_user_agent": "x\r\nVia: y"}, "pattern"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CallSettings(**(NEEDED | wrong))


def test_a_voice_that_is_not_installed_is_asked_for_in_vain(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValidationError, match="no program espeak-ng"):
        CallSettings(**NEEDED, speech="espeak-ng")
    for engine in ("auto", "embedded"):
        assert CallSettings(**NEEDED, speech=engine).speech == engine


@pytest.mark.parametrize("lab", [True, False])
def test_private_carriers_are_dialled_in_the_lab_only(lab: bool) -> None:
    settings = CallSettings(**NEEDED, lab=lab)
    assert settings.sip().allow_private is lab


def test_a_listener_for_tls_has_its_certificate() -> None:
    files: dict[str, Any] = {"sip_tls_cert": Path("/c.pem"), "sip_tls_key": Path("/k.pem")}
    found = CallSettings(**NEEDED, sip_tls_listen="127.0.0.1:5061", **files).sip().tls
    assert found is not None
    assert (found.listen, found.certificate, found.key) == ("127.0.0.1:5061", *files.values())
    assert CallSettings(**NEEDED).sip().tls is None


def test_the_dialer_and_the_channel_share_their_limits() -> None:
    settings = CallSettings(**NEEDED, legs_max=7, ring_timeout_s=3)
    assert settings.sip().legs_max == settings.dialer().legs_max == 7
    assert settings.dialer().ring_timeout_s == 3


def test_the_list_of_toll_fraud_is_read_with_the_settings_and_every_mistake_named(
    tmp_path: Path,
) -> None:
    assert "+53" in CallSettings(**NEEDED).blocked_prefixes()
    own = tmp_path / "prefixes.txt"
    own.write_text("+4420  # dear\n")
    settings = CallSettings(**NEEDED, blocked_prefixes_file=own)
    assert settings.blocked_prefixes() == {"+4420"}
    own.write_text("+4420\n0044\n+x\n")
    with pytest.raises(ValidationError, match=r"line 2 \('0044'\), line 3 \('\+x'\)"):
        CallSettings(**NEEDED, blocked_prefixes_file=own)
    with pytest.raises(ValidationError, match="cannot be read"):
        CallSettings(**NEEDED, blocked_prefixes_file=tmp_path / "nothing")
