"""JSON logs on stderr, one object a line, tied to the trace and free of secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import orjson
import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from mesh import ambient

REDACTED: Final = "[redacted]"
"""What stands for a value that may be secret."""

_SECRET_KEY: Final = re.compile(
    r"authori[sz]ation|token|passw|secret|credential|api_?key|access_?key|cookie|private_key",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic|digest)\s+[A-Za-z0-9._~+/=\"-]{8,}[^\s]*")
_QUERY: Final = re.compile(r"(?<=[^\s?])\?[^\s\"'>]*=[^\s\"'>]*")
_DEPTH_MAX: Final = 6


def redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Remove what may be secret: values under telling keys, credentials and query strings."""
    return {key: _clean(key, value, 0) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Return a text without credentials and without the query strings of its URLs."""
    # Most texts are one word, and to see that is cheaper than to search it.
    if len(text.split(None, 1)) > 1:
        text = _BEARER.sub(rf"\1 {REDACTED}", text)
    return _QUERY.sub("?" + REDACTED, text) if "?" in text else text


@lru_cache(maxsize=1024)
def _tells_a_secret(key: str) -> bool:
    return _SECRET_KEY.search(key) is not None


def _clean(key: str, value: Any, depth: int) -> Any:
    if _tells_a_secret(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if depth >= _DEPTH_MAX:
        return REDACTED
    if isinstance(value, dict):
        return {name: _clean(str(name), item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(key, item, depth + 1) for item in value]
    return value


def add_correlation(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Add the trace, the span and the request that the line belongs to."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", trace.format_trace_id(context.trace_id))
        event.setdefault("span_id", trace.format_span_id(context.span_id))
    request_id = ambient.request_id()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


def bind_log(**facts: str) -> None:
    """Add facts (`call_id=…`) to every later log line of the current task."""
    structlog.contextvars.bind_contextvars(**facts)


@contextmanager
def log_bindings(**facts: str) -> Iterator[None]:
    """Add facts to the log lines of the enclosed work only."""
    with structlog.contextvars.bound_contextvars(**facts):
        yield


def configure_logs(service: str, level: str) -> None:
    """Send the logs of structlog and of the standard library to stderr, as JSON."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_correlation,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service_name(service),
    ]
    ending: list[Processor] = [structlog.processors.format_exc_info, redact, _render]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *ending,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These tell every statement and every poll at INFO; their warnings are enough.
    for chatty in ("alembic", "sqlalchemy", "aiosqlite", "asyncio", "httpx", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        # Straight to stderr: the way through the standard library costs three times the line.
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _render(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    try:
        return orjson.dumps(event, default=repr).decode("utf-8")
    except TypeError:
        # Half a surrogate pair, an integer of more than 64 bits, a key that is no text.
        return json.dumps(event, default=repr, skipkeys=True)


def _service_name(service: str) -> Processor:
    def add(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add
