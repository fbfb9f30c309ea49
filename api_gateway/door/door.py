"""The public door: who is let in, how often, and how far. REST and gRPC both go through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from api_gateway.account.admitted import Admitted
from api_gateway.door.credentials import Authenticator, Credentials
from api_gateway.door.limits import Limits, Rates
from api_gateway.door.origin import Origins
from api_gateway.door.reasons import check_reasons, reason_enums
from api_gateway.door.rpcs import Deadlines, PublicRpc, ServedService, public_rpcs
from api_gateway.errors import AccountFrozen
from mesh.ratelimit import Allowance


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """What the door allows."""

    deadlines: Deadlines = field(default_factory=Deadlines)
    rates: Rates = field(default_factory=Rates)
    origins: Origins = field(default_factory=Origins)


class Door:
    """The public RPCs of the services, and the rules for whoever asks them.

    Compiled when it is made; a contract that cannot be served raises ContractError.
    """

    def __init__(
        self,
        services: Sequence[ServedService],
        authenticator: Authenticator,
        settings: DoorSettings | None = None,
    ) -> None:
        self.settings = settings or DoorSettings()
        self.authenticator = authenticator
        self.rpcs = public_rpcs(services, self.settings.deadlines)
        self.reasons = reason_enums(one.descriptor for one in services)
        """Every enum of error reasons that an answer may come from."""
        check_reasons((rpc.method for rpc in self.rpcs), self.reasons)
        self.limits = Limits(self.settings.rates)

    async def identify(
        self, rpc: PublicRpc, credentials: Credentials, told: list[Allowance]
    ) -> Admitted:
        """Return who asks an RPC that is not anonymous.

        Raises AuthenticationRequired, InvalidCredentials, RateLimitExceeded (what the limits say
        goes into `told`) and AccountFrozen.
        """
        admitted = await self.authenticator.identify(credentials)
        self.limits.customer(admitted, told)
        if admitted.frozen is not None and not rpc.policy.frozen_allowed:
            raise AccountFrozen(admitted.frozen)
        return admitted
