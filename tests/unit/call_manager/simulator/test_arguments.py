"""What cannot be used is said at once, and nothing is started."""

from pathlib import Path

import pytest

from call_manager.simulator.arguments import ONLY, parse
from call_manager.simulator.wires import Listening


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--script", "nowhere.yaml"), "nowhere.yaml"),
        (("--script", "broken.yaml"), "broken.yaml:2: rules[0].steps: "),
        (("--carrier", "A=127.0.0.1:0"), "NAME=HOST:PORT"),
        (("--carrier", "a"), "NAME=HOST:PORT"),
        (("--carrier", "a=127.0.0.1:0", "--carrier", "a=127.0.0.1:0"), "same name"),
        (("--carrier", "a=127.0.0.1:0", "--listen", "127.0.0.1:0"), "its own address"),
        (("--script", "homeless.yaml"), "homeless has no address"),
        (("--script", "apart.yaml", "--tls-dir", "lab"), "share one IP address"),
        (("--tls-listen", "127.0.0.1:0"), "--tls-dir, or both"),
        (("--tls-cert", "broken.yaml", "--tls-key", "broken.yaml"), "cannot be used"),
        (("--options", "100"), "neither a final status nor silent"),
        (("--tone-hz", "19"), "20 to 3400 Hz"),
        (("--calls-max", "0"), "1 to 999999"),
        (tuple(f"--carrier=c{n}=127.0.0.1:0" for n in range(17)), "more than 16"),
    ],
)
def test_a_mistake_ends_with_status_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text("rules:\n  - steps: 3\n")
    Path("homeless.yaml").write_text("carriers: {homeless: {tcp: yes}}\n")
    both = "{listen: 127.0.0.1:0, tls: 127.0.0.%d:0}"
    Path("apart.yaml").write_text(f"carriers: {{a: {both % 1}, b: {both % 2}}}\n")
    with pytest.raises(SystemExit) as caught:
        parse(list(options))
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_a_carrier_alone_listens_for_tls_at_the_port_after_its_own(tmp_path: Path) -> None:
    plan = parse(["--listen", "127.0.0.1:5080", "--tls-dir", str(tmp_path), "--tcp"])
    listening = plan.carriers[ONLY].listening
    assert (listening.udp, listening.tcp, listening.tls) == (
        ("127.0.0.1", 5080), True, ("127.0.0.1", 5081),
    )  # fmt: skip
    assert plan.ca == tmp_path / "ca.pem"


def test_the_command_line_wins_over_the_script(tmp_path: Path) -> None:
    script = tmp_path / "carriers.yaml"
    script.write_text("options: [{code: 503}]\ncarriers: {a: {listen: 127.0.0.1:5081}}\n")
    plan = parse(["--script", str(script), "--carrier", "a=127.0.0.1:5082", "--options", "404"])
    settings = plan.carriers["a"]
    assert settings.listening == Listening(("127.0.0.1", 5082))
    assert [phase.code for phase in settings.answers.options] == [404]


def test_the_password_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VBMESH_SIMULATOR_PASSWORD", "from there")
    assert parse(["--password", "x"]).carriers[ONLY].credentials.password == "from there"
