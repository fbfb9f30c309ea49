from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs
from voipbin.mesh.v1 import options_pb2

from mesh import ambient
from mesh.clients import MeshChannel
from mesh.errors import DeadlineExceeded, FieldViolation, MeshError, PeerNotAllowed
from mesh.identity import acting_as, current_caller
from mesh.node import Node
from mesh.remote import RemoteError
from mesh.settings import MeshSettings
from tests.support.echo import FILE, Echo, EchoRequest, EchoResponse, EchoStub, add_to_server
from tests.support.node import Credentials, a_super_admin, an_identity, running


class Bench:
    """One echo node and the means to ask it as any peer."""

    def __init__(self, node: Node, echo: Echo, credentials: Credentials) -> None:
        self.node = node
        self.echo = echo
        self.credentials = credentials
        self._channels: list[MeshChannel] = []

    def stub(self, peer: str = "friend", budget_s: float = 5.0) -> EchoStub:
        channel = self.credentials.channel(self.node.address, peer, FILE, budget_s=budget_s)
        self._channels.append(channel)
        return EchoStub(channel)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    credentials, echo = Credentials(tmp_path), Echo()
    settings = MeshSettings(**credentials.settings("call_manager"), rpc_concurrency_max=8)
    node = Node(settings, name="echo", servicers=[(add_to_server, echo, FILE)])
    async with running(node):
        made = Bench(node, echo, credentials)
        yield made
        await made.close()


async def refusal(asked: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        await asked
    return caught.value


class NoteMissing(MeshError):
    code, reason = grpc.StatusCode.NOT_FOUND, "NOTE_MISSING"


async def test_a_listed_peer_is_answered(bench: Bench) -> None:
    answer = await bench.stub().Whisper(EchoRequest(text="hello"))
    assert answer.text == "hello"


async def test_an_error_reaches_the_client_with_its_reason_and_facts(bench: Bench) -> None:
    async def answer(_request: Any, _context: Any) -> Any:
        raise NoteMissing("No such note.", field="text", note_id="7", retry_after_s=1.5)

    bench.echo.answer = answer
    ambient.set_request_id("req_of_this_test")
    error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.NOT_FOUND, "NOTE_MISSING")
    assert error.message == "No such note."
    assert error.metadata == {"note_id": "7", "request_id": "req_of_this_test"}
    assert error.violations == (FieldViolation("text", "No such note."),)
    assert error.retry_after_s == 1.5
    assert not error.unknown_end


async def test_an_unexpected_failure_stays_private(bench: Bench) -> None:
    async def answer(_request: Any, _context: Any) -> Any:
        raise RuntimeError("the password is swordfish")

    bench.echo.answer = answer
    error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert error.message == "internal error"
    assert error.metadata["request_id"].startswith("req_")
    assert error.unknown_end


async def test_a_peers_answer_that_is_kept_from_the_caller_is_logged(bench: Bench) -> None:
    refused = PeerNotAllowed("call_manager may not ask this.").to_status()
    answered = grpc.aio.AioRpcError(
        refused.code,
        grpc.aio.Metadata(),
        grpc.aio.Metadata(*refused.trailing_metadata),
        details=refused.details,
    )

    async def answer(_request: Any, _context: Any) -> Any:
        raise RemoteError.of("voipbin.test.v1.Other/Ask", answered)

    bench.echo.answer = answer
    with capture_logs() as lines:
        error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    (line,) = [line for line in lines if line["log_level"] == "error"]
    assert line["reason"] == "PEER_NOT_ALLOWED"


async def test_an_unwritten_rpc_is_unimplemented(bench: Bench) -> None:
    error = await refusal(bench.stub().Unwritten(EchoRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.UNIMPLEMENTED, "UNIMPLEMENTED")


async def test_every_broken_field_is_named(bench: Bench) -> None:
    request = EchoRequest(text="x" * 21, parts=[{"name": "fine"}, {"name": ""}], marks={"a": -1})
    error = await refusal(bench.stub().Whisper(request))
    assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert [violation.field for violation in error.violations] == [
        "text",
        "parts[1].name",
        "marks['a']",
    ]
    assert bench.echo.asked == 0


async def test_a_stranger_is_not_heard(bench: Bench) -> None:
    bench.credentials.tokens["friend"] = "vbp_wrong"
    error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.code, error.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "PEER_UNAUTHENTICATED",
    )
    assert bench.echo.asked == 0


@pytest.mark.parametrize(
    ("peer", "rpc", "permissions", "expected"),
    [
        ("friend", "Whisper", None, ""),
        ("friend", "Say", None, ""),
        ("friend", "Say", options_pb2.PERMISSION_CUSTOMER_AGENT, ""),
        ("friend", "Greet", None, "PEER_NOT_ALLOWED"),
        ("flow_manager", "Whisper", None, "PEER_NOT_ALLOWED"),
        ("flow_manager", "Say", options_pb2.PERMISSION_PROJECT_SUPER_ADMIN, "PEER_NOT_ALLOWED"),
        ("api_gateway", "Whisper", options_pb2.PERMISSION_PROJECT_SUPER_ADMIN, "PEER_NOT_ALLOWED"),
        ("api_gateway", "Say", None, "IDENTITY_REQUIRED"),
        ("api_gateway", "Say", 0, "PERMISSION_DENIED"),
        ("api_gateway", "Say", options_pb2.PERMISSION_CUSTOMER_AGENT, "PERMISSION_DENIED"),
        ("api_gateway", "Say", options_pb2.PERMISSION_CUSTOMER_MANAGER, ""),
        ("api_gateway", "Say", options_pb2.PERMISSION_PROJECT_SUPER_ADMIN, ""),
        ("api_gateway", "Greet", None, ""),
        ("api_gateway", "Greet", 0, ""),
        ("lab", "Whisper", None, ""),
        ("lab", "Say", None, ""),
    ],
)
async def test_the_contract_says_who_may_ask(
    bench: Bench, peer: str, rpc: str, permissions: int | None, expected: str
) -> None:
    ask = getattr(bench.stub(peer), rpc)
    if permissions is None:
        asked = ask(EchoRequest())
    else:
        with acting_as(an_identity(permissions)):
            if not expected:
                await ask(EchoRequest())
                return
            error = await refusal(ask(EchoRequest()))
            assert error.reason == expected
            return
    if expected:
        assert (await refusal(asked)).reason == expected
    else:
        await asked


async def test_the_lab_peer_means_nothing_outside_of_lab_mode(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path)
    settings = MeshSettings(**{**credentials.settings("call_manager"), "lab": False})
    node = Node(settings, name="echo", servicers=[(add_to_server, Echo(), FILE)])
    async with running(node), credentials.channel(node.address, "lab", FILE) as channel:
        error = await refusal(EchoStub(channel).Whisper(EchoRequest()))
    assert error.reason == "PEER_NOT_ALLOWED"


async def test_the_handler_knows_the_peer_and_the_caller(bench: Bench) -> None:
    seen = []

    async def answer(_request: Any, _context: Any) -> Any:
        seen.append(current_caller())
        return EchoResponse()

    bench.echo.answer = answer
    identity = a_super_admin()
    with acting_as(identity):
        await bench.stub().Whisper(EchoRequest())
    await bench.stub().Whisper(EchoRequest())
    assert (seen[0].peer, seen[0].identity) == ("friend", identity)
    assert seen[0].is_super_admin
    assert (seen[1].peer, seen[1].identity) == ("friend", None)
    assert not seen[1].is_super_admin


async def test_the_identity_is_passed_on_by_an_rpc_made_inside_an_rpc(bench: Bench) -> None:
    seen = []

    async def first(request: Any, _context: Any) -> Any:
        bench.echo.answer = second
        return await bench.stub().Whisper(request)

    async def second(_request: Any, _context: Any) -> Any:
        seen.append((current_caller().identity, ambient.request_id()))
        return EchoResponse()

    bench.echo.answer = first
    identity = an_identity()
    ambient.set_request_id("req_outermost")
    with acting_as(identity):
        await bench.stub().Whisper(EchoRequest())
    assert seen == [(identity, "req_outermost")]


async def test_a_broken_identity_header_is_refused(bench: Bench) -> None:
    headers = (("vbmesh-identity-bin", b"\xff\xff\xff"),)
    error = await refusal(bench.stub().Whisper(EchoRequest(), metadata=headers))
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_every_rpc_leaves_with_a_deadline(bench: Bench) -> None:
    left = []

    async def answer(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return EchoResponse()

    bench.echo.answer = answer
    await bench.stub(budget_s=3.0).Whisper(EchoRequest())
    await bench.stub(budget_s=3.0).Whisper(EchoRequest(), timeout=60.0)
    await bench.stub(budget_s=3.0).Whisper(EchoRequest(), timeout=1.0)
    async for _ in bench.stub(budget_s=3.0).Count(EchoRequest()):
        pass
    # The wire rounds up to whole milliseconds; a busy machine takes its time.
    upper = [3.0, 3.0, 1.0, 3.0]
    assert all(
        bound - 0.9 < seconds < bound + 0.02 for seconds, bound in zip(left, upper, strict=True)
    )


async def test_an_inner_rpc_gets_less_than_what_is_left(bench: Bench) -> None:
    left = []

    async def first(request: Any, _context: Any) -> Any:
        bench.echo.answer = second
        return await bench.stub().Whisper(request)

    async def second(_request: Any, context: Any) -> Any:
        left.append(context.time_remaining())
        return EchoResponse()

    bench.echo.answer = first
    await bench.stub().Whisper(EchoRequest(), timeout=1.0)
    # gRPC may tell the server up to 3 % more than the client holds to, to save header bytes.
    assert 0.3 < left[0] < 0.98


async def test_nothing_is_asked_when_no_time_is_left(bench: Bench) -> None:
    with ambient.budget(0.04), pytest.raises(DeadlineExceeded) as caught:
        await bench.stub().Whisper(EchoRequest())
    assert caught.value.reason == "REQUEST_TIMEOUT"
    assert bench.echo.asked == 0


async def test_a_request_past_its_deadline_ends_and_its_end_is_unknown(bench: Bench) -> None:
    ended = asyncio.Event()

    async def answer(_request: Any, _context: Any) -> Any:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    bench.echo.answer = answer
    start = time.monotonic()
    error = await refusal(bench.stub().Whisper(EchoRequest(), timeout=0.2))
    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.unknown_end
    await asyncio.wait_for(ended.wait(), 2)
    assert time.monotonic() - start < 1


async def test_a_request_without_a_deadline_gets_the_longest_one(tmp_path: Path) -> None:
    credentials, echo = Credentials(tmp_path), Echo()

    async def answer(_request: Any, _context: Any) -> Any:
        await asyncio.sleep(30)

    echo.answer = answer
    settings = MeshSettings(**credentials.settings("call_manager"), rpc_deadline_max_s=0.2)
    node = Node(settings, name="echo", servicers=[(add_to_server, echo, FILE)])
    async with running(node), grpc.aio.insecure_channel(node.address) as plain:
        token = credentials.tokens["friend"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoStub(plain).Whisper(
                EchoRequest(), metadata=(("authorization", f"Bearer {token}"),)
            )
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_stream_is_read_to_its_end(bench: Bench) -> None:
    texts = [answer.text async for answer in bench.stub().Count(EchoRequest(text="n"))]
    assert texts == ["n0", "n1", "n2"]


async def test_a_reader_that_stops_early_ends_the_stream_on_both_sides(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with aclosing(bench.stub().Count(EchoRequest(text="endless"))) as answers:
        async for answer in answers:
            assert answer.text == "endless0"
            break
    for _ in range(100):
        if bench.echo.streams_ended:
            break
        await asyncio.sleep(0.02)
    assert bench.echo.streams_ended == 1
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_stream_that_fails_tells_why(bench: Bench) -> None:
    async def answer(_request: Any, _context: Any) -> Any:
        raise NoteMissing("No such note.")

    bench.echo.answer = answer
    with pytest.raises(RemoteError) as caught:
        async for _ in bench.stub().Count(EchoRequest()):
            pass
    assert caught.value.reason == "NOTE_MISSING"


async def test_a_stream_is_refused_to_a_stranger(bench: Bench) -> None:
    with pytest.raises(RemoteError) as caught:
        async for _ in bench.stub("flow_manager").Count(EchoRequest()):
            pass
    assert caught.value.reason == "PEER_NOT_ALLOWED"


async def test_a_remote_refusal_passes_through_unchanged(bench: Bench) -> None:
    async def first(request: Any, _context: Any) -> Any:
        bench.echo.answer = second
        return await bench.stub().Whisper(request)

    async def second(_request: Any, _context: Any) -> Any:
        raise NoteMissing("No such note.", field="text", note_id="7")

    bench.echo.answer = first
    error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.reason, error.message) == ("NOTE_MISSING", "No such note.")
    assert error.metadata["note_id"] == "7"
    assert error.violations == (FieldViolation("text", "No such note."),)


async def test_a_peer_that_is_refused_says_nothing_of_it_to_its_own_client(bench: Bench) -> None:
    async def answer(request: Any, _context: Any) -> Any:
        return await bench.stub("flow_manager").Whisper(request)

    bench.echo.answer = answer
    error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")


async def test_an_unreachable_peer_is_unavailable_and_no_address_is_told(bench: Bench) -> None:
    async def answer(request: Any, _context: Any) -> Any:
        async with bench.credentials.channel("127.0.0.1:1", "friend", FILE) as channel:
            return await EchoStub(channel).Whisper(request)

    bench.echo.answer = answer
    error = await refusal(bench.stub().Whisper(EchoRequest()))
    assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert "127.0.0.1" not in error.message
    assert error.unknown_end


async def test_more_requests_than_a_node_serves_at_once_are_refused(bench: Bench) -> None:
    release = asyncio.Event()

    async def answer(_request: Any, _context: Any) -> Any:
        await release.wait()
        return EchoResponse()

    bench.echo.answer = answer
    stub = bench.stub()
    asked = [asyncio.create_task(stub.Whisper(EchoRequest())) for _ in range(20)]
    done, waiting = await asyncio.wait(asked, timeout=1.0)
    release.set()
    await asyncio.wait(waiting)
    codes = [task.exception().code for task in done]  # type: ignore[union-attr]
    assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 12
    assert all(task.exception() is None for task in waiting)


async def test_a_message_above_one_mebibyte_is_refused(bench: Bench) -> None:
    error = await refusal(bench.stub().Whisper(EchoRequest(text="x" * (1024 * 1024 + 1))))
    assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert bench.echo.asked == 0
