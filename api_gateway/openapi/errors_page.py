"""`/docs/errors`: the page that the `type` of every problem points into."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from itertools import groupby
from typing import Final

from api_gateway.openapi.catalogue import PACKAGES, Reason

_CODE: Final = re.compile(r"`([^`]+)`")
_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Errors of the voipbin-mesh API</title>
<link rel="icon" href="/docs/favicon.png">
<link rel="stylesheet" href="/docs/errors.css">
</head>
<body>
<h1>Errors</h1>
<p>Every refusal carries a stable <code>reason</code>, a sentence, and the request’s id. Reasons
are only ever added. What each operation refuses with is in its <a href="/docs">description</a>.</p>
"""


def errors_html(reasons: Iterable[Reason], public: frozenset[str]) -> str:
    """Return the page; a reason that several packages have is told of each in its section.

    `public` has the full names of the RPCs that readers may know.
    """
    parts = [_HEAD]
    for name, same in groupby(sorted(reasons, key=_by_name), key=lambda reason: reason.name):
        parts.append(f'<section id="{name}">\n<h2><a href="#{name}">{name}</a></h2>\n')
        parts.extend(_entry(reason, public) for reason in same)
        parts.append("</section>\n")
    parts.append("</body>\n</html>\n")
    return "".join(parts)


def _by_name(reason: Reason) -> tuple[str, str]:
    return reason.name, reason.package


def _entry(reason: Reason, public: frozenset[str]) -> str:
    names = [rpc.rpartition(".")[2] for rpc in reason.rpcs if rpc in public]
    answered = f"<p>Answered by {', '.join(map(_operation, names))}.</p>\n" if names else ""
    return (
        f"<p>HTTP {reason.status}, gRPC {reason.code.name}, {PACKAGES[reason.package]}."
        f" {_text(reason.meaning)}</p>\n"
        f"<p><strong>What to do.</strong> {_text(reason.fix)}</p>\n"
        f"{answered}"
    )


def _operation(name: str) -> str:
    return f"<code>{name}</code>"


def _text(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))
