"""Why a configuration or a destination is refused; reasons of `voipbin.call.v1.ErrorReason`."""

from __future__ import annotations

from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class OutboundConfigNotFound(MeshError):
    """No such outbound configuration, or it is deleted."""

    code, reason = StatusCode.NOT_FOUND, "OUTBOUND_CONFIG_NOT_FOUND"

    def __init__(self, config_id: UUID) -> None:
        super().__init__(
            f"No outbound configuration has the id {config_id}.",
            outbound_config_id=str(config_id),
        )


class OutboundConfigExists(MeshError):
    """The customer has an outbound configuration."""

    code, reason = StatusCode.ALREADY_EXISTS, "OUTBOUND_CONFIG_EXISTS"

    def __init__(self, config_id: UUID) -> None:
        super().__init__(
            f"The customer has the outbound configuration {config_id}.",
            outbound_config_id=str(config_id),
        )


class InvalidCountryCode(MeshError):
    """The whitelist names what is no country."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_COUNTRY_CODE"

    def __init__(self, index: int, country: str) -> None:
        shown = country[:16]
        super().__init__(
            f"{shown!r} is no country's ISO 3166-1 alpha-2 code.",
            field=f"destination_whitelist[{index}]",
            index=str(index),
            country=shown,
        )


class InvalidCodecs(MeshError):
    """The codecs are no list of codec names; `problem` is a sentence."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_CODECS"

    def __init__(self, problem: str) -> None:
        super().__init__(problem, field="codecs")


class DefaultSourceInvalid(MeshError):
    """The default source is no normal, active number of the customer's."""

    code, reason = StatusCode.INVALID_ARGUMENT, "DEFAULT_SOURCE_INVALID"

    def __init__(self, number_id: UUID) -> None:
        super().__init__(
            f"{number_id} is no normal, active number of the customer's.",
            field="default_outgoing_source_number_id",
            number_id=str(number_id),
        )


class LabModeNeeded(MeshError):
    """What was asked is for laboratories only."""

    code, reason = StatusCode.FAILED_PRECONDITION, "LAB_MODE_NEEDED"

    def __init__(self) -> None:
        super().__init__("Only in lab mode may a customer call everywhere at once.")
