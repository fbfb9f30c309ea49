"""What the public door refuses to be told."""

import pytest

from api_gateway.door import Rates
from api_gateway.settings import GatewaySettings
from mesh.ratelimit import Rate
from mesh.settings import load

ELSEWHERE = {
    f"VBMESH_{service}_ADDRESS": "127.0.0.1:1"
    for service in ("ROUTE_MANAGER", "CALL_MANAGER", "FLOW_MANAGER")
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.delenv("VBMESH_GRPC_LISTEN", raising=False)
    monkeypatch.setenv("VBMESH_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    for name, value in ELSEWHERE.items():
        monkeypatch.setenv(name, value)


def test_alone_and_untold_it_listens_where_it_finds_itself() -> None:
    assert load(GatewaySettings).grpc_listen == "127.0.0.1:50051"


@pytest.mark.parametrize("anywhere", ["127.0.0.1:0", "127.0.0.1:00"])
def test_any_free_port_is_refused_since_signing_in_would_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], anywhere: str
) -> None:
    monkeypatch.setenv("VBMESH_GRPC_LISTEN", anywhere)

    with pytest.raises(SystemExit) as exit_status:
        load(GatewaySettings)

    assert exit_status.value.code == 2
    assert capsys.readouterr().err.startswith("VBMESH_GRPC_LISTEN: is a port that the door")


def test_every_limit_is_as_documented_where_nothing_is_said() -> None:
    rates = load(GatewaySettings).rates()
    assert rates == Rates(
        address=Rate(200.0, 400),
        signing_in=Rate(10.0, 20),
        customer=Rate(16.7, 33),
        delegated=Rate(8.3, 16),
    )


def test_a_laboratory_has_only_the_limits_that_were_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VBMESH_LAB", "1")
    monkeypatch.setenv("VBMESH_LIMIT_CUSTOMER_BURST", "5")
    assert load(GatewaySettings).rates() == Rates(customer=Rate(16.7, 5))


def test_a_limit_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBMESH_LIMIT_ADDRESS_PER_S", "-1")
    assert load(GatewaySettings).rates().address.unlimited


def test_proxies_that_are_no_addresses_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VBMESH_TRUSTED_PROXIES", "10.0.0.0/8, my-proxy")
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    assert capsys.readouterr().err.startswith("VBMESH_TRUSTED_PROXIES: is no list of addresses")
