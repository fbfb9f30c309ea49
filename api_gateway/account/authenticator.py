"""From the credentials of a request to whoever shows them."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from api_gateway.account.accesskey.service import AccessKeyService
from api_gateway.account.admitted import Admitted, KeyLimits
from api_gateway.account.service import AccountService
from api_gateway.door.credentials import Credentials
from api_gateway.errors import AuthenticationRequired, InvalidCredentials


class AccountAuthenticator:
    """Recognises bearer tokens and access keys.

    Nothing is kept between requests: whatever is revoked is worth nothing at the next one.
    """

    def __init__(self, accounts: AccountService, access_keys: AccessKeyService) -> None:
        self._accounts = accounts
        self._access_keys = access_keys

    async def identify(self, credentials: Credentials) -> Admitted:
        """Return who shows the credentials; a token counts before an access key.

        Raises AuthenticationRequired when there are none, InvalidCredentials when what is shown
        is worth nothing, and DirectAccessNotSupported for a direct token.
        """
        if credentials.token:
            return await self._accounts.recognise(credentials.token)
        if credentials.access_key:
            return await self._recognise_key(credentials.access_key)
        raise AuthenticationRequired("This needs a credential, and none came.")

    async def spend_calls(self, key: KeyLimits, count: int) -> None:
        """Count calls that a key is about to place, all of them or none.

        Raises KeyCallsExhausted when that is more than the key may place in this UTC day.
        """
        if key.calls_per_day is not None and count > 0:
            await self._access_keys.spend(UUID(key.id), key.calls_per_day, count)

    async def _recognise_key(self, token: str) -> Admitted:
        found = await self._access_keys.recognise(token)
        if found is None:
            raise InvalidCredentials(
                "The access key is worthless: unknown, ended, or its maker lost the rights it has."
            )
        key, standing = found
        admitted = self._accounts.admit(key.agent_id, key.permissions, standing)
        admitted.identity.access_key_id = str(key.id)
        admitted.identity.provider_ids.extend(key.scope.provider_ids)
        return replace(admitted, key=key.limits())
