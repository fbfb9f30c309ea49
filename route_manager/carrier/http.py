"""Asking a carrier's HTTP API: one fixed host, one deadline, bounded answers, no redirects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
from opentelemetry.trace import Span, SpanKind
from pydantic import SecretStr

from mesh.telemetry import span
from route_manager.carrier.domain import CarrierFailure, Trouble

ANSWER_BYTES_MAX: Final = 256 * 1024
"""No answer that we ask for is larger."""

WORDS_MAX: Final = 500
"""How many characters of a carrier's own words are passed on."""

MASK: Final = "****"

Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One request: `template` names the path in traces, with `{id}` where `object_id` stands."""

    method: str
    template: str
    object_id: str = ""
    params: Params | None = None
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is None where it is no JSON."""

    status: int
    body: Any
    retry_after_s: float | None = None


class CarrierHttp:
    """An account at one carrier's API; enter it to use it.

    The key is in every request's header and nowhere else: not in errors, spans, logs or `repr`.
    """

    def __init__(self, base_url: str, key: SecretStr, *, timeout_s: float) -> None:
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._secrets: list[SecretStr] = [key]
        self._client = httpx.AsyncClient(
            base_url=base_url,
            headers={
                "authorization": f"Bearer {key.get_secret_value()}",
                # What unpacks to more than it seems to be cannot be bounded.
                "accept-encoding": "identity",
            },
            timeout=timeout_s,
            follow_redirects=False,
            # No proxy and no .netrc of the machine's: the key goes to this host alone.
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        """Open the connections."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._client.aclose()

    def hide(self, secret: SecretStr) -> None:
        """Keep a further secret out of everything that is told."""
        self._secrets.append(secret)

    async def ask(self, question: Question) -> Answer:
        """Ask and return the answer, whatever its status.

        Raises CarrierFailure when there is none, or none that can be read.
        """
        with span(
            f"{question.method} {question.template}", SpanKind.CLIENT, self._attributes(question)
        ) as current:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._ask(question, current)
            except httpx.ConnectError as error:
                raise self._unreached(error) from None
            except (TimeoutError, httpx.TimeoutException) as error:
                words = f"The carrier did not answer within {self._timeout_s:g} seconds."
                unsent = isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout)
                raise CarrierFailure(Trouble.TIMEOUT, words, unknown_end=not unsent) from None
            except httpx.HTTPError as error:
                words = f"The connection to the carrier broke ({type(error).__name__})."
                raise CarrierFailure(Trouble.UNAVAILABLE, words, unknown_end=True) from None

    async def _ask(self, question: Question, current: Span) -> Answer:
        async with self._client.stream(
            question.method,
            # Relative: the base URL's own path stays in front of it.
            question.template.replace("{id}", question.object_id).lstrip("/"),
            params=question.params,
            json=question.body,
        ) as response:
            current.set_attribute("http.response.status_code", response.status_code)
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > ANSWER_BYTES_MAX:
                    words = f"The carrier's answer is larger than {ANSWER_BYTES_MAX} bytes."
                    raise CarrierFailure(
                        Trouble.ERROR, words, http_status=response.status_code, unknown_end=True
                    )
            return Answer(
                response.status_code, _json(bytes(content)), _retry_after(response.headers)
            )

    def words(self, texts: Iterable[str]) -> str:
        """Join a carrier's own texts into something to be told: printable, short, no secrets."""
        text = " ".join(" ".join(text.split()) for text in texts if text.strip())
        # First: a secret with something invisible in it would become whole again.
        text = "".join(character for character in text if character.isprintable())
        for secret in self._secrets:
            text = text.replace(secret.get_secret_value(), MASK)
        return text if len(text) <= WORDS_MAX else f"{text[: WORDS_MAX - 1]}…"

    def _unreached(self, error: httpx.ConnectError) -> CarrierFailure:
        why = self.words([str(error)])
        return CarrierFailure(
            Trouble.UNAVAILABLE, f"The carrier's API could not be reached ({why})."
        )

    def _attributes(self, question: Question) -> dict[str, str | bool | int | float]:
        """Return OpenTelemetry's attributes of an HTTP client span; headers are not among them."""
        url = urlsplit(self._base_url)
        return {
            "http.request.method": question.method,
            "url.template": f"{url.path}{question.template}",
            "server.address": url.hostname or "",
            "server.port": url.port or (443 if url.scheme == "https" else 80),
        }


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        # Whether that is a failure depends on the status, which the asker judges.
        return None


def _retry_after(headers: httpx.Headers) -> float | None:
    """Read Retry-After in seconds (RFC 9110 section 10.2.3); its form as a date is ignored."""
    text = headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None
