"""What the public door refuses to be told."""

import pytest

from api_gateway.settings import GatewaySettings
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
