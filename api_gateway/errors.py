"""Why the public door refuses."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final
from uuid import UUID

from grpc import StatusCode

from api_gateway.account.admitted import FrozenAccount
from mesh.errors import MeshError

RECOVERY_ENDPOINT: Final = "DELETE /auth/unregister"
"""How the customer of a frozen account comes back."""


class AuthenticationRequired(MeshError):
    """No credential came with the request."""

    code, reason = StatusCode.UNAUTHENTICATED, "AUTHENTICATION_REQUIRED"


class InvalidCredentials(MeshError):
    """The credential is forged, expired or no longer valid."""

    code, reason = StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS"


class LoginFailed(MeshError):
    """The user name or the password is wrong (HTTP 400, contract section 1.3)."""

    code, reason = StatusCode.INVALID_ARGUMENT, "LOGIN_FAILED"


class AccountFrozen(MeshError):
    """The customer is to be deleted (contract section 1.6)."""

    code, reason = StatusCode.PERMISSION_DENIED, "ACCOUNT_FROZEN"

    def __init__(self, frozen: FrozenAccount) -> None:
        super().__init__(
            "The account is to be deleted; until then it can only be recovered.",
            deletion_scheduled_at=stamp(frozen.deletion_scheduled_at),
            deletion_effective_at=stamp(frozen.deletion_effective_at),
            recovery_endpoint=RECOVERY_ENDPOINT,
        )


class KeyCallsExhausted(MeshError):
    """The access key has placed as many calls as it may in a UTC day."""

    code, reason = StatusCode.RESOURCE_EXHAUSTED, "KEY_CALLS_EXHAUSTED"

    def __init__(self, limit: int, now: datetime) -> None:
        resets_at = datetime.combine(now.date() + timedelta(days=1), time.min, UTC)
        super().__init__(
            f"The access key may place {limit} calls a day.",
            retry_after_s=(resets_at - now).total_seconds(),
            limit=str(limit),
            resets_at=stamp(resets_at),
        )


class DirectAccessNotSupported(MeshError):
    """A direct token was shown (contract section 1.3)."""

    code, reason = StatusCode.PERMISSION_DENIED, "DIRECT_ACCESS_NOT_SUPPORTED"


class AccesskeyNotFound(MeshError):
    """No such access key, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "ACCESSKEY_NOT_FOUND"

    def __init__(self, accesskey_id: UUID) -> None:
        super().__init__(f"There is no access key {accesskey_id}.", accesskey_id=str(accesskey_id))


class CustomerNotFound(MeshError):
    """No such customer."""

    code, reason = StatusCode.NOT_FOUND, "CUSTOMER_NOT_FOUND"

    def __init__(self, customer_id: UUID) -> None:
        super().__init__(f"There is no customer {customer_id}.", customer_id=str(customer_id))


class AgentNotFound(MeshError):
    """No such agent, or it is another customer's."""

    code, reason = StatusCode.NOT_FOUND, "AGENT_NOT_FOUND"

    def __init__(self, agent: UUID | str) -> None:
        # By its id, or by its user name where whoever runs the installation names it.
        super().__init__(f"There is no agent {agent}.", agent_id=str(agent))


class UsernameTaken(MeshError):
    """Another agent, of any customer, has this user name."""

    code, reason = StatusCode.ALREADY_EXISTS, "USERNAME_TAKEN"

    def __init__(self, username: str) -> None:
        super().__init__("The user name is taken.", field="username", username=username[:128])


class LastSuperAdmin(MeshError):
    """Nobody would be left who may administer the platform."""

    code, reason = StatusCode.FAILED_PRECONDITION, "LAST_SUPER_ADMIN"


class PermissionNotHeld(MeshError):
    """The caller would give, or take the place of, rights that it does not hold itself."""

    code, reason = StatusCode.PERMISSION_DENIED, "PERMISSION_NOT_HELD"

    def __init__(self, permission: int) -> None:
        super().__init__(
            f"The caller does not hold all of the permission {permission}.",
            permission=str(permission),
        )


class KeyNotAllowed(MeshError):
    """An access key with limits would make a credential, or change who holds one."""

    code, reason = StatusCode.PERMISSION_DENIED, "KEY_NOT_ALLOWED"


class DelegateRequestInvalid(MeshError):
    """The customer or the reason of a delegation is malformed (HTTP 422, section 1.3)."""

    code, reason = StatusCode.INVALID_ARGUMENT, "DELEGATE_REQUEST_INVALID"


class RpcUnknown(MeshError):
    """An access key is to be limited to an RPC that is not served."""

    code, reason = StatusCode.INVALID_ARGUMENT, "RPC_UNKNOWN"


class StateInvalid(MeshError):
    """The customer is in a state in which this cannot be done."""

    code, reason = StatusCode.FAILED_PRECONDITION, "STATE_INVALID"


def stamp(moment: datetime) -> str:
    """Return a time as REST shows it: `YYYY-MM-DDTHH:MM:SS.ffffffZ`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
