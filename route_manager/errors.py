"""Why route_manager refuses; one class per reason of `voipbin.route.v1.ErrorReason`."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from grpc import StatusCode

from mesh.errors import MeshError


class ProviderNotFound(MeshError):
    """No provider has that id, or it is deleted and the question is about living ones."""

    code, reason = StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND"

    def __init__(self, provider_id: UUID) -> None:
        super().__init__(
            f"No provider in service has the id {provider_id}.", provider_id=str(provider_id)
        )


class RouteNotFound(MeshError):
    """No route has that id, or it is deleted and should change."""

    code, reason = StatusCode.NOT_FOUND, "ROUTE_NOT_FOUND"

    def __init__(self, route_id: UUID) -> None:
        super().__init__(f"No route has the id {route_id}.", route_id=str(route_id))


class ProviderCallNotFound(MeshError):
    """No provider call has that id."""

    code, reason = StatusCode.NOT_FOUND, "PROVIDERCALL_NOT_FOUND"

    def __init__(self, provider_call_id: UUID) -> None:
        super().__init__(
            f"No provider call has the id {provider_call_id}.",
            provider_call_id=str(provider_call_id),
        )


class FieldRefused(MeshError):
    """One field of the request breaks a rule about its meaning; the message begins with it."""

    code = StatusCode.INVALID_ARGUMENT

    def __init__(self, field: str, message: str, **facts: str) -> None:
        super().__init__(message if field in message else f"{field}: {message}", field=field)
        # `field` makes the violation; programs find it among the facts, too.
        self.metadata = {"field": field, **facts}


class InvalidHostname(FieldRefused):
    """The hostname is no host name or IP address with an optional port, or may not be called."""

    reason = "INVALID_HOSTNAME"


class InvalidTechPrefix(FieldRefused):
    """The prefix holds a character that has no place in front of a number."""

    reason = "INVALID_TECH_PREFIX"


class InvalidTechPostfix(FieldRefused):
    """The postfix holds a character that has no place after a number, or a bad domain."""

    reason = "INVALID_TECH_POSTFIX"


class InvalidTechHeaders(FieldRefused):
    """A header is reserved, malformed, repeated or too large."""

    reason = "INVALID_TECH_HEADERS"


class InvalidCodecs(FieldRefused):
    """The codec list has an empty, repeated or malformed element."""

    reason = "INVALID_CODECS"


class InvalidSipCredentials(FieldRefused):
    """A password without a user name, or control characters in either."""

    reason = "INVALID_SIP_CREDENTIALS"


class InvalidSecretHeaders(FieldRefused):
    """An element is no header name or repeated, or a stored secret would be shown."""

    reason = "INVALID_SECRET_HEADERS"


class InvalidOutboundProxy(FieldRefused):
    """The proxy is no host name or IP address with an optional port, or may not be asked."""

    reason = "INVALID_OUTBOUND_PROXY"


class InvalidTlsCa(FieldRefused):
    """What should be certificates in PEM form is none, too many, or holds something else."""

    reason = "INVALID_TLS_CA"


class InvalidSessionExpires(FieldRefused):
    """The session interval is neither 0 nor within what RFC 4028 and the contract allow."""

    reason = "INVALID_SESSION_EXPIRES"


class InvalidFailoverCodes(FieldRefused):
    """An element is no code, class, `unreachable` or lone `none`, or is repeated."""

    reason = "INVALID_FAILOVER_CODES"


class InvalidHealthCodes(FieldRefused):
    """An element is no code or class, or is repeated."""

    reason = "INVALID_HEALTH_CODES"


class ProviderInUse(MeshError):
    """Routes name the provider that was to be deleted only if unused; fifty are told."""

    code, reason = StatusCode.FAILED_PRECONDITION, "PROVIDER_IN_USE"

    def __init__(self, provider_id: UUID, route_ids: Sequence[UUID]) -> None:
        super().__init__(
            f"Routes name the provider {provider_id}.",
            provider_id=str(provider_id),
            # An error travels in headers, which have room for some eight kilobytes.
            route_ids=",".join(str(route_id) for route_id in route_ids[:50]),
        )


class ProviderSecretsUnreadable(MeshError):
    """The key that the provider's secrets are sealed with is missing, or they were changed."""

    code, reason = StatusCode.FAILED_PRECONDITION, "PROVIDER_SECRETS_UNREADABLE"

    def __init__(self, provider_id: UUID, key_id: str) -> None:
        super().__init__(
            f"The secrets of the provider {provider_id} cannot be read.",
            provider_id=str(provider_id),
            key_id=key_id,
        )


class HealthCheckTooSoon(MeshError):
    """The provider is being asked, or was a moment ago."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "HEALTH_CHECK_TOO_SOON"

    def __init__(self, provider_id: UUID) -> None:
        super().__init__(
            f"The provider {provider_id} is being asked, or was within the last second.",
            retry_after_s=1.0,
            provider_id=str(provider_id),
        )


class InvalidRouteTarget(FieldRefused):
    """The target is neither `all` nor + and digits that begin with a country calling code."""

    reason = "INVALID_ROUTE_TARGET"


class InvalidDestinationNumber(FieldRefused):
    """The number is not in E.164 form."""

    reason = "INVALID_DESTINATION_NUMBER"


class InvalidVariables(MeshError):
    """Too many variables, too long ones, or one without a name."""

    code, reason = StatusCode.INVALID_ARGUMENT, "INVALID_VARIABLES"

    def __init__(self, mistake: str) -> None:
        super().__init__(mistake, field="variables")


class IdempotencyKeyReused(MeshError):
    """The key came with another request."""

    code, reason = StatusCode.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, provider_call_id: UUID) -> None:
        super().__init__(
            "The idempotency key was used for another request.",
            provider_call_id=str(provider_call_id),
        )


class IdempotencyKeyInUse(MeshError):
    """The first request with the key is under way."""

    code, reason = StatusCode.FAILED_PRECONDITION, "IDEMPOTENCY_KEY_IN_USE"

    def __init__(self, provider_call_id: UUID) -> None:
        super().__init__(
            "The first request with this idempotency key is under way.",
            retry_after_s=1.0,
            provider_call_id=str(provider_call_id),
        )


class ProviderCallPending(MeshError):
    """The record stands; its calls are not settled yet."""

    code, reason = StatusCode.DEADLINE_EXCEEDED, "PROVIDERCALL_PENDING"

    def __init__(self, provider_call_id: UUID) -> None:
        super().__init__(
            "The provider call is recorded, but its calls are not settled yet.",
            provider_call_id=str(provider_call_id),
        )


class ProviderCallHungUp(MeshError):
    """Its calls were hung up before they were created; nothing was dialled."""

    code, reason = StatusCode.FAILED_PRECONDITION, "PROVIDERCALL_HUNG_UP"

    def __init__(self) -> None:
        super().__init__("It was hung up before its calls were created; nothing was dialled.")


class ProviderCallHangupIncomplete(MeshError):
    """Some of its calls could not be asked to end."""

    code, reason = StatusCode.UNAVAILABLE, "PROVIDERCALL_HANGUP_INCOMPLETE"

    def __init__(self, provider_call_id: UUID, calls_left: int) -> None:
        super().__init__(
            f"{calls_left} of its calls could not be asked to end, and may still be up.",
            retry_after_s=1.0,
            provider_call_id=str(provider_call_id),
            calls_left=str(calls_left),
        )
