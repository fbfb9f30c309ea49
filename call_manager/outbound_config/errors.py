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

    def __init__(self, what: str = "may a customer call everywhere at once") -> None:
        super().__init__(f"Only in lab mode {what}.")


class InvalidNumberType(MeshError):
    """What may be called beside ordinary numbers names no type, or one twice."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_NUMBER_TYPE"

    def __init__(self, index: int, stated: str, known: str) -> None:
        shown = stated[:32]
        super().__init__(
            f"{shown!r} is none of the types that are blocked by default: {known}.",
            field=f"allowed_number_types[{index}]",
            index=str(index),
            type=shown,
        )


class NumberTypeForbidden(MeshError):
    """Only a super-admin allows that type of numbers."""

    code, reason = StatusCode.PERMISSION_DENIED, "NUMBER_TYPE_FORBIDDEN"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"Only a super-admin allows a customer numbers of the type {kind}.",
            field="allowed_number_types",
            type=kind,
        )
