"""The platform's kill switch, as whoever dials asks for it."""

from __future__ import annotations

from call_manager.billing import repository as billing
from call_manager.billing.errors import switched_off
from mesh.database import Transaction


class DialingOff(Exception):
    """Nothing is dialled at all; one sentence says why."""


async def demand_dialing(tx: Transaction) -> None:
    """Raise DialingOff while dialling is switched off.

    In the transaction that commits an INVITE: on PostgreSQL, too, none is committed once the
    switch is.
    """
    switch = await billing.dialing(tx)
    if not switch.enabled:
        raise DialingOff(switched_off(switch.reason))
