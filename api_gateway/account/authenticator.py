"""From the credentials of an HTTP request to an identity."""

from __future__ import annotations

from api_gateway.account.admitted import Admitted
from api_gateway.account.service import AccountService
from api_gateway.door.credentials import Credentials
from api_gateway.errors import AuthenticationRequired, InvalidCredentials


class AccountAuthenticator:
    """Recognises bearer tokens."""

    def __init__(self, accounts: AccountService) -> None:
        self._accounts = accounts

    async def identify(self, credentials: Credentials) -> Admitted:
        """Return who shows the credentials.

        Raises AuthenticationRequired when there are none and InvalidCredentials when what is
        shown is worth nothing.
        """
        if credentials.token:
            account = await self._accounts.recognise(credentials.token)
            return Admitted(account.identity())
        if credentials.access_key:
            raise InvalidCredentials("The access key is not known here.")
        raise AuthenticationRequired("This needs a credential, and none came.")
