"""Write docs/errors.md and docs/configuration.md from the contracts and the settings.

With `--check`, write nothing and fail when what is there says something else.
"""

import argparse
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import FileDescriptorProto
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from voipbin.mesh.v1 import options_pb2

from api_gateway.cli.plan import OF_ONE_SERVICE
from api_gateway.settings import GatewaySettings
from api_gateway.transcoder.problem import http_status
from call_manager.settings import CallSettings
from flow_manager.settings import FlowSettings
from mesh.errors import MeshError
from mesh.settings import PREFIX, MeshSettings
from route_manager.settings import RouteSettings
from scripts.contracts import descriptors
from scripts.gen import ROOT

OWNERS = {
    "voipbin.mesh.v1": "mesh",
    "voipbin.account.v1": "api_gateway",
    "voipbin.route.v1": "route_manager",
    "voipbin.call.v1": "call_manager",
    "voipbin.flow.v1": "flow_manager",
}
SETTINGS: dict[str, type[MeshSettings]] = {
    "api_gateway": GatewaySettings,
    "route_manager": RouteSettings,
    "call_manager": CallSettings,
    "flow_manager": FlowSettings,
}
REASON = "ERROR_REASON_"
_ENUMS_OF_A_FILE, _VALUES_OF_AN_ENUM = 5, 2  # field numbers in descriptor.proto


def errors_page() -> str:
    """Return the page of every reason: its status, what it means, what to do."""
    codes = {error.reason: error.code for error in _errors()}
    lines = [
        "# Errors",
        "",
        "Every refusal carries a stable `reason`, a sentence, and the request's id. Over gRPC",
        "they are in `google.rpc.ErrorInfo`; over REST in `error` of a body of the type",
        "`application/problem+json`. Reasons are only ever added. This page is generated from the",
        "contracts.",
    ]
    for file in descriptors().file:
        if file.package in OWNERS and any(enum.name == "ErrorReason" for enum in file.enum_type):
            lines += ["", f"## {OWNERS[file.package]} (`{file.package}`)"]
            for name, meaning, policy in _reasons(file):
                code = codes[name]
                status = http_status(code, policy.http_status)
                lines += ["", f"### {name}", "", f"HTTP {status}, gRPC {code.name}. {meaning}"]
                lines += ["", f"**What to do.** {policy.fix}"]
    return "\n".join(lines) + "\n"


def _errors() -> Iterator[type[MeshError]]:
    for package in OWNERS.values():
        root = importlib.import_module(package)
        for module in pkgutil.walk_packages(root.__path__, f"{package}."):
            if module.name.endswith(".errors"):
                importlib.import_module(module.name)
    waiting = [MeshError]
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        # An error that passes on a reason it was given has none of its own.
        if isinstance(error.__dict__.get("reason"), str):
            yield error


def _reasons(file: FileDescriptorProto) -> Iterator[tuple[str, str, options_pb2.ReasonPolicy]]:
    comments = {
        tuple(location.path): location.leading_comments
        for location in file.source_code_info.location
    }
    for at, enum in enumerate(file.enum_type):
        if enum.name != "ErrorReason":
            continue
        for index, value in enumerate(enum.value):
            if value.number:
                comment = comments[_ENUMS_OF_A_FILE, at, _VALUES_OF_AN_ENUM, index]
                yield (
                    value.name.removeprefix(REASON),
                    " ".join(comment.split("\n\n")[0].split()),
                    value.options.Extensions[options_pb2.reason],
                )


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


PAGES = {"docs/errors.md": errors_page, "docs/configuration.md": configuration_page}


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
