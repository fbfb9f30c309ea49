"""Write the pages that come from contracts, settings and tables.

With `--check`, write nothing and fail when what is there says something else.
"""

import argparse
import inspect
import sys
from itertools import groupby

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api_gateway.cli.plan import OF_ONE_SERVICE
from api_gateway.openapi.catalogue import PACKAGES, Catalogue
from api_gateway.openapi.comments import read_wording
from api_gateway.openapi.failures import Failures
from api_gateway.settings import GatewaySettings
from call_manager.explanation.explain import RULES
from call_manager.explanation.rule import Shows
from call_manager.settings import CallSettings
from flow_manager.settings import FlowSettings
from mesh.settings import PREFIX, MeshSettings
from route_manager.settings import RouteSettings
from scripts.contracts import rpcs
from scripts.gen import ROOT

SETTINGS: dict[str, type[MeshSettings]] = {
    "api_gateway": GatewaySettings,
    "route_manager": RouteSettings,
    "call_manager": CallSettings,
    "flow_manager": FlowSettings,
}


def errors_page() -> str:
    """Return the page of every reason: its status, what it means, what to do, who answers it."""
    wording = read_wording()
    reasons = Catalogue(wording, Failures(wording)).all()
    public = public_operations()
    lines = [
        "# Errors",
        "",
        "Every refusal carries a stable `reason`, a sentence, and the request's id. Over gRPC",
        "they are in `google.rpc.ErrorInfo`; over REST in `error` of a body of the type",
        "`application/problem+json`. Reasons are only ever added. This page is generated from the",
        "contracts; `/docs/errors` of a running mesh says the same.",
    ]
    for package, same in groupby(reasons, key=lambda reason: reason.package):
        lines += ["", f"## {PACKAGES[package]} (`{package}`)"]
        for reason in same:
            answered = [f"`{public[rpc]}`" for rpc in reason.rpcs if rpc in public]
            lines += ["", f"### {reason.name}", ""]
            lines += [f"HTTP {reason.status}, gRPC {reason.code.name}. {reason.meaning}"]
            lines += ["", f"**What to do.** {reason.fix}"]
            if answered:
                lines += ["", f"Answered by {', '.join(answered)}."]
    return "\n".join(lines) + "\n"


def public_operations() -> dict[str, str]:
    """Return the REST route of every public RPC, by the RPC's full name."""
    return {rpc.name: rpc.routes[0] for rpc in rpcs() if rpc.routes}


def configuration_page() -> str:
    """Return the page of every environment variable: its meaning, default and limits."""
    lines = [
        "# Configuration",
        "",
        "Everything is configured by environment variables. All mistakes are reported at once,",
        "and `python -m <service> --check-config` stops after reading them. A secret may also be",
        "read from the file that `<VARIABLE>_FILE` names.",
        "This page is generated from the settings.",
        "",
        "`vbmesh up` sets the addresses and credentials of the services it starts, refuses a",
        "variable that says otherwise, and passes everything else on. What only one service may",
        "have is named for it:",
        *(f"`{PREFIX}<SERVICE>_{name}`," for name in OF_ONE_SERVICE),
        f"for example `{PREFIX}CALL_MANAGER_{OF_ONE_SERVICE[0]}`.",
        "",
        "## Every service",
        *_table(MeshSettings.model_fields),
    ]
    for service, settings in SETTINGS.items():
        # A service may state one of the common settings anew.
        stated = inspect.get_annotations(settings)
        own = {
            name: field
            for name, field in settings.model_fields.items()
            if name not in MeshSettings.model_fields or name in stated
        }
        lines += ["", f"## {service}"]
        lines += _table(own) if own else ["", "Nothing beyond the above."]
    return "\n".join(lines) + "\n"


def explanations_page() -> str:
    """Return the page of every rule that explains how a call ended, in their order."""
    lines = [
        "# Why a call ended",
        "",
        "`explanation` of a call that is over (`GET /v1.0/calls/{id}`, and `sip-analysis` of its",
        "timeline) says in one sentence what happened, in another what would likely mend it, and",
        "points to the message of the trace that shows it. No guessing: the first of these rules",
        "that applies is the answer. `rule` is stable; sentences may get better.",
        "",
        "This page is generated from the rules. Each row is tested with a call that ends so, but",
        "for the last one, which only a defect leads to.",
        "",
        "| Rule | When | What it says | What would likely mend it | Shown by |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES:
        shown = "" if rule.shows is Shows.NOTHING else rule.shows.value
        cells = (f"`{rule.name}`", rule.when, rule.sentence, rule.fix, shown)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _table(fields: dict[str, FieldInfo]) -> list[str]:
    rows = ["", "| Variable | Default | Meaning |", "|---|---|---|"]
    for name, field in fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        limits = _limits(field)
        text = f"{meaning} ({limits})" if limits else meaning
        rows.append(f"| `{PREFIX}{name.upper()}` | {_default(field)} | {text} |")
    return rows


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default is PydanticUndefined:
        return "not set"
    shown = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return f"`{shown}`"


def _limits(field: FieldInfo) -> str:
    bounds = []
    for rule in field.metadata:
        for sign, words in (("ge", "at least"), ("gt", "more than"), ("le", "at most")):
            bound = getattr(rule, sign, None)
            if bound is not None:
                bounds.append(f"{words} {bound:g}")
    return ", ".join(bounds)


PAGES = {
    "docs/errors.md": errors_page,
    "docs/configuration.md": configuration_page,
    "docs/explanations.md": explanations_page,
}


def main() -> int:
    """Write or check the pages; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a page is stale")
    check = parser.parse_args().check
    stale = []
    for name, page in PAGES.items():
        path, text = ROOT / name, page()
        if check:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    for name in stale:
        sys.stderr.write(f"{name} is stale; run `make docs`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
