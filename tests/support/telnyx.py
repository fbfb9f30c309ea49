"""Telnyx's API v2 on loopback: what its public description says of what a setup asks.

Requests are held to the description's types, enums and required fields, objects depend on each
other as at Telnyx, and every answer has the described shape. A test can make any request fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from tests.support.telnyx_http import Asked, Reply, read_request, written
from tests.support.telnyx_rules import KINDS, broken_rules, missing_relative, shown

KEY: Final = "KEY01900000000000000000000_canaryCanaryCanary"
STAMP: Final = "2026-11-02T22:25:27.521Z"

Body = Mapping[str, Any]


class Dropped(Exception):
    """The connection ends without an answer."""


Fault = Callable[[Callable[[], Reply]], Awaitable[Reply]]
"""How a request fails; it is given what would have been done, and may do it."""


def problem(status: int, code: str, title: str, detail: str, pointer: str = "/") -> Reply:
    """Return an error in Telnyx's shape."""
    error = {"code": code, "title": title, "detail": detail, "source": {"pointer": pointer}}
    return Reply(status, {"errors": [error]})


UNAUTHENTICATED: Final = problem(
    401, "10009", "Authentication failed", "Could not understand the provided credentials."
)
NOT_FOUND: Final = problem(
    404, "10005", "Resource not found", "The requested resource or URL could not be found."
)


def answering(reply: Reply) -> Fault:
    """Do nothing and answer so."""

    async def fault(_: Callable[[], Reply]) -> Reply:
        return reply

    return fault


def done_but(reply: Reply) -> Fault:
    """Do it, and answer something else."""

    async def fault(do: Callable[[], Reply]) -> Reply:
        do()
        return reply

    return fault


async def dropped(_: Callable[[], Reply]) -> Reply:
    """Do nothing and close the connection."""
    raise Dropped


async def done_but_dropped(do: Callable[[], Reply]) -> Reply:
    """Do it and close the connection."""
    do()
    raise Dropped


async def silent(_: Callable[[], Reply]) -> Reply:
    """Do nothing and never answer."""
    return await asyncio.Event().wait()  # type: ignore[return-value]


async def done_but_silent(do: Callable[[], Reply]) -> Reply:
    """Do it and never answer."""
    do()
    return await asyncio.Event().wait()  # type: ignore[return-value]


def done_late(seconds: float) -> Fault:
    """Do it after a while, and never answer."""

    async def fault(do: Callable[[], Reply]) -> Reply:
        await asyncio.sleep(seconds)
        return await done_but_silent(do)

    return fault


def after(event: asyncio.Event) -> Fault:
    """Do it when the test says so."""

    async def fault(do: Callable[[], Reply]) -> Reply:
        await event.wait()
        return do()

    return fault


class Telnyx:
    """One account. `objects` is what exists there: by kind (the path's word), by id."""

    def __init__(self) -> None:
        self.base_url = ""
        self.key = KEY
        self.objects: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in KINDS}
        self.asked: list[Asked] = []
        self.breaches: list[str] = []
        """What requests did that the description does not allow."""
        self.unsupported: set[str] = set()
        """Countries that this account may not call."""
        self._faults: dict[str, list[Fault]] = {}
        self._always: dict[str, Fault] = {}
        self._next_id = 1293384261075731499
        self._news = asyncio.Condition()
        self._serving: set[asyncio.Task[Any]] = set()

    def then(self, name: str, *faults: Fault) -> None:
        """Let the next requests `POST /fqdns` end so; afterwards as ever."""
        self._faults.setdefault(name, []).extend(faults)

    def always(self, name: str, fault: Fault) -> None:
        """Let every request of that name end so."""
        self._always[name] = fault

    def recovers(self) -> None:
        """Let every request be answered again."""
        self._faults.clear()
        self._always.clear()

    def left(self) -> list[str]:
        """Return what exists, as `fqdns/12933…`."""
        return [f"{kind}/{one}" for kind, found in self.objects.items() for one in found]

    def names(self) -> list[str]:
        """Return the requests so far, by name."""
        return [one.name for one in self.asked]

    def last(self, name: str) -> Asked:
        """Return the last request of that name."""
        return next(one for one in reversed(self.asked) if one.name == name)

    async def until_asked(self, name: str, times: int = 1) -> None:
        """Wait until a request has come so often."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: self.names().count(name) >= times)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request on a connection of its own."""
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            writer.write(written(await self._reply(await read_request(reader))))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, Dropped, asyncio.CancelledError):
            pass  # The client sees the connection's end; cancelled are we at our own stop only.
        finally:
            self._serving.discard(task)
            writer.close()

    async def stop(self) -> None:
        """End the requests that are still not answered."""
        serving = set(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        async with self._news:
            self._news.notify_all()
        waiting = self._faults.get(asked.name)
        fault = waiting.pop(0) if waiting else self._always.get(asked.name)
        return self.answer(asked) if fault is None else await fault(lambda: self.answer(asked))

    def answer(self, asked: Asked) -> Reply:
        """Do what is asked."""
        if asked.headers.get("authorization") != f"Bearer {self.key}":
            return UNAUTHENTICATED
        kind, _, object_id = asked.path.strip("/").partition("/")
        if (asked.method, kind, object_id) == ("GET", "balance", ""):
            balance = {"record_type": "balance", "balance": "300.00", "currency": "USD"}
            return Reply(200, {"data": balance})
        if kind not in KINDS:
            return NOT_FOUND
        if asked.method == "POST" and not object_id:
            return self._create(kind, asked.body)
        if asked.method == "GET" and not object_id:
            return self._list(kind, asked.query)
        if asked.method == "DELETE" and object_id:
            return self._delete(kind, object_id)
        return NOT_FOUND

    def _create(self, kind: str, body: Any) -> Reply:
        breaches = broken_rules(kind, body)
        if breaches:
            self.breaches.extend(breaches)
            return problem(422, "10015", "Bad Request", breaches[0])
        refused = sorted(self.unsupported.intersection(body.get("whitelisted_destinations", ())))
        if refused:
            detail = f"Unsupported countries: {', '.join(refused)}"
            return problem(422, "10015", "Bad Request", detail, "/whitelisted_destinations")
        missing = missing_relative(kind, body, self.objects)
        if missing:
            return problem(422, "10017", "Associated resource does not exist", missing)
        name = body.get("user_name")
        if name is not None and any(
            one["user_name"] == name for one in self.objects["fqdn_connections"].values()
        ):
            return problem(422, "10012", "Duplicate resource", "user_name is taken.", "/user_name")
        object_id, self._next_id = str(self._next_id), self._next_id + 1
        made = {"id": object_id, "record_type": KINDS[kind].record_type, **body}
        made |= {"created_at": STAMP, "updated_at": STAMP}
        self.objects[kind][object_id] = made
        return Reply(KINDS[kind].created, {"data": shown(made)})

    def _list(self, kind: str, query: Mapping[str, str]) -> Reply:
        rules = KINDS[kind]
        unknown = query.keys() - {rules.filter}
        if unknown:
            self.breaches.append(f"GET /{kind} with {sorted(unknown)}")
        wanted = query.get(rules.filter, "")
        found = [
            shown(one)
            for one in self.objects[kind].values()
            if wanted.lower() in str(one[rules.filtered]).lower()
        ]
        pages = {"page_number": 1, "page_size": 250, "total_pages": 1, "total_results": len(found)}
        return Reply(200, {"data": found, "meta": pages})

    def _delete(self, kind: str, object_id: str) -> Reply:
        if object_id not in self.objects[kind]:
            return NOT_FOUND
        child = KINDS[kind].child
        if child is not None and any(
            KINDS[child].parent_of(one) == object_id for one in self.objects[child].values()
        ):
            detail = "The resource can not be removed as it is still in use."
            return problem(422, "10021", "Resource in use", detail)
        return Reply(200, {"data": shown(self.objects[kind].pop(object_id))})


@asynccontextmanager
async def telnyx() -> AsyncIterator[Telnyx]:
    """Serve an account on a loopback port of its own."""
    account = Telnyx()
    server = await asyncio.start_server(account.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    account.base_url = f"http://127.0.0.1:{port}/v2"
    try:
        yield account
    finally:
        server.close()
        await account.stop()
