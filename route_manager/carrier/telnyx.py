"""Telnyx, by its public API v2 (https://developers.telnyx.com/api-reference).

A SIP trunk there is three objects: an outbound voice profile (which countries may be called), an
FQDN connection that uses it, and our own FQDN attached to that connection. Telnyx knows our calls
by the address that the FQDN resolves to (`ip-authentication`), so no SIP password is kept.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final

import phonenumbers
from pydantic import SecretStr

from route_manager.carrier.domain import (
    CarrierFailure,
    Made,
    PublicSipAddress,
    SetupOrder,
    Trouble,
)
from route_manager.carrier.http import Answer, CarrierHttp, Question
from route_manager.provider.domain import ProviderSettings

PROFILE: Final = "outbound_voice_profile"
CONNECTION: Final = "fqdn_connection"
FQDN: Final = "fqdn"

SIP_HOSTNAME: Final = "sip.telnyx.com"
"""Where Telnyx takes calls from everywhere."""

COUNTRY_ROUNDS_MAX: Final = 6
"""How often the profile is asked for again without the countries that were refused."""

USER_NAME_PREFIX: Final = "voipbinrm"
USER_NAME_MAX: Final = 32
PASSWORD_CHARACTERS: Final = 32

COUNTRIES: Final = tuple(
    sorted(region for region in phonenumbers.SUPPORTED_REGIONS if region.isalpha())
)
"""Every country and territory with a numbering plan, as ISO 3166-1 alpha-2 codes."""

_PATHS: Final[Mapping[str, str]] = {
    PROFILE: "/outbound_voice_profiles",
    CONNECTION: "/fqdn_connections",
    FQDN: "/fqdns",
}
_METADATA: Final[Mapping[str, str]] = {
    PROFILE: "telnyx_profile_id",
    CONNECTION: "telnyx_connection_id",
    FQDN: "telnyx_fqdn_id",
}
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ALPHA_2: Final = re.compile(r"\b[A-Z]{2}\b")
_ALPHANUMERIC: Final = string.ascii_letters + string.digits
_ABOUT_COUNTRIES: Final = re.compile(r"whitelisted_destinations|destination|countr", re.IGNORECASE)
_AT_INDEX: Final = re.compile(r"/whitelisted_destinations/(\d{1,3})")

# Telnyx's own error codes, https://developers.telnyx.com/docs/development/api-errors.
_KEY_CODES: Final = frozenset({"10009", "10010"})
"""Authentication failed; authorization failed."""

_DONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})
_GONE: Final = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})
_SERVER_ERRORS: Final = 500


class TelnyxCarrier:
    """One Telnyx account; `ours` is the address that Telnyx sends its SIP to."""

    name: ClassVar[str] = "telnyx"
    kinds: ClassVar[Sequence[str]] = (PROFILE, CONNECTION, FQDN)

    def __init__(self, http: CarrierHttp, ours: PublicSipAddress | None) -> None:
        self._http = http
        self._ours = ours

    async def check_key(self) -> None:
        """Ask for the balance, which Telnyx names as the check of a key; changes nothing."""
        await self._demand(Question("GET", "/balance"))

    async def create(self, kind: str, order: SetupOrder, made: Made) -> str:
        """Make the object and return Telnyx's id of it."""
        if kind == PROFILE:
            return await self._create_profile(order)
        body = (
            self._connection(order, made[PROFILE])
            if kind == CONNECTION
            else self._fqdn(made[CONNECTION])
        )
        return self._id(await self._demand(Question("POST", _PATHS[kind], body=body)))

    async def find(self, kind: str, order: SetupOrder, made: Made) -> Sequence[str]:
        """Return the ids of what this setup made, by the setup's id in their names."""
        fields = {
            PROFILE: ("filter[name][contains]", str(order.id)),
            CONNECTION: ("filter[connection_name][contains]", str(order.id)),
            FQDN: ("filter[connection_id]", made.get(CONNECTION, "")),
        }
        name, value = fields[kind]
        if value == "":
            return ()
        answer = await self._demand(Question("GET", _PATHS[kind], params={name: value}))
        listed = answer.body.get("data")
        if not isinstance(listed, list):
            raise _senseless(answer, "has no list of objects")
        return [_id_of(one, answer) for one in listed if _is_ours(one, kind, order, made)]

    async def remove(self, kind: str, object_id: str) -> None:
        """Remove the object; one that is gone already is no failure."""
        question = Question("DELETE", f"{_PATHS[kind]}/{{id}}", object_id=object_id)
        answer = await self._http.ask(question)
        if answer.status not in _GONE:
            raise self._failure(answer)

    def settings(self, order: SetupOrder) -> ProviderSettings:
        """Return what the provider is to be."""
        return ProviderSettings(hostname=SIP_HOSTNAME, name=order.name, detail=order.detail)

    def metadata(self, made: Made) -> Mapping[str, str]:
        """Return Telnyx's ids, and the FQDN that Telnyx knows us by."""
        ids = {_METADATA[kind]: object_id for kind, object_id in made.items()}
        return {**ids, "telnyx_fqdn": self._address().fqdn}

    @staticmethod
    def made_of(metadata: Mapping[str, str]) -> Made:
        """Return what a provider's metadata says that exists at Telnyx."""
        return {kind: metadata[key] for kind, key in _METADATA.items() if metadata.get(key)}

    async def _create_profile(self, order: SetupOrder) -> str:
        """Ask for every country, then without those that this account may not call."""
        countries = list(COUNTRIES)
        for rounds_left in reversed(range(COUNTRY_ROUNDS_MAX)):
            question = Question("POST", _PATHS[PROFILE], body=_profile(order, countries))
            answer = await self._http.ask(question)
            refused = refused_countries(answer, countries)
            if not refused or not rounds_left or len(refused) == len(countries):
                return self._id(self._successful(answer))
            countries = [country for country in countries if country not in refused]
        raise AssertionError("unreachable: the last round returns or raises")

    def _connection(self, order: SetupOrder, profile_id: str) -> Mapping[str, Any]:
        password = SecretStr(
            "".join(secrets.choice(_ALPHANUMERIC) for _ in range(PASSWORD_CHARACTERS))
        )
        self._http.hide(password)
        return {
            "connection_name": order.object_name,
            "active": True,
            "transport_protocol": "UDP",
            # Nobody signs in with these: without them Telnyx might make up guessable ones.
            "user_name": user_name(order.name),
            "password": password.get_secret_value(),
            "inbound": {"ani_number_format": "+E.164", "dnis_number_format": "+e164"},
            "outbound": {
                "outbound_voice_profile_id": profile_id,
                "ip_authentication_method": "ip-authentication",
            },
        }

    def _fqdn(self, connection_id: str) -> Mapping[str, Any]:
        ours = self._address()
        return {
            "connection_id": connection_id,
            "fqdn": ours.fqdn,
            "port": ours.port,
            "dns_record_type": "a",
        }

    def _address(self) -> PublicSipAddress:
        if self._ours is None:
            raise LookupError("a setup begins with a public SIP address")
        return self._ours

    async def _demand(self, question: Question) -> Answer:
        return self._successful(await self._http.ask(question))

    def _successful(self, answer: Answer) -> Answer:
        if answer.status not in _DONE:
            raise self._failure(answer)
        if not isinstance(answer.body, dict):
            raise _senseless(answer, "is no JSON object")
        return answer

    def _id(self, answer: Answer) -> str:
        return _id_of(answer.body.get("data"), answer)

    def _failure(self, answer: Answer) -> CarrierFailure:
        errors = _errors(answer)
        code = next((str(error["code"]) for error in errors if error.get("code")), "")[:32]
        said = self._http.words(_sentence(error) for error in errors)
        trouble = _trouble(answer.status, code)
        return CarrierFailure(
            trouble,
            said or f"The carrier answered with the status {answer.status} and no reason.",
            http_status=answer.status,
            carrier_code=self._http.words([code]),
            # A gateway on the way may say so after the request went through.
            unknown_end=answer.status < HTTPStatus.BAD_REQUEST or answer.status >= _SERVER_ERRORS,
            retry_after_s=answer.retry_after_s,
        )


def user_name(name: str) -> str:
    """Return the connection's user name: `voipbinrm` and the name's letters and digits, 32 at most.

    Contract section 2.1.
    """
    kept = "".join(character for character in name if character in _ALPHANUMERIC)
    return f"{USER_NAME_PREFIX}{kept}"[:USER_NAME_MAX]


def refused_countries(answer: Answer, asked: Sequence[str]) -> set[str]:
    """Return the countries among those asked for that a 422 names: by index, or in its words."""
    if answer.status != HTTPStatus.UNPROCESSABLE_ENTITY:
        return set()
    named: set[str] = set()
    for error in _errors(answer):
        pointer, said = _pointer(error), _sentence(error)
        index = _AT_INDEX.search(pointer)
        if index is not None and int(index[1]) < len(asked):
            named.add(asked[int(index[1])])
        elif _ABOUT_COUNTRIES.search(f"{pointer} {said}"):
            named.update(_ALPHA_2.findall(said))
    return named.intersection(asked)


def _profile(order: SetupOrder, countries: Sequence[str]) -> Mapping[str, Any]:
    return {
        "name": order.object_name,
        "traffic_type": "conversational",
        "service_plan": "global",
        "whitelisted_destinations": list(countries),
    }


def _is_ours(listed: Any, kind: str, order: SetupOrder, made: Made) -> bool:
    """Tell whether a listed object is this setup's; a filter may find more than it was asked."""
    if not isinstance(listed, dict):
        return False
    if kind == FQDN:
        return bool(listed.get("connection_id") == made[CONNECTION])
    name = listed.get("name" if kind == PROFILE else "connection_name")
    return bool(name == order.object_name)


def _id_of(data: Any, answer: Answer) -> str:
    """Return an object's id; it becomes part of paths, so nothing but an id is taken."""
    found = data.get("id") if isinstance(data, dict) else None
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise _senseless(answer, "names no id")
    return found


def _senseless(answer: Answer, why: str) -> CarrierFailure:
    words = f"The carrier's answer makes no sense: it {why}."
    return CarrierFailure(Trouble.ERROR, words, http_status=answer.status, unknown_end=True)


def _errors(answer: Answer) -> list[dict[str, Any]]:
    listed = answer.body.get("errors") if isinstance(answer.body, dict) else None
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def _pointer(error: Mapping[str, Any]) -> str:
    source = error.get("source")
    return str(source.get("pointer", "")) if isinstance(source, dict) else ""


def _sentence(error: Mapping[str, Any]) -> str:
    return ": ".join(str(error[key]) for key in ("title", "detail") if error.get(key))


def _trouble(status: int, code: str) -> Trouble:
    if status == HTTPStatus.UNAUTHORIZED:
        return Trouble.REJECTED
    if status == HTTPStatus.FORBIDDEN and code in _KEY_CODES:
        return Trouble.REJECTED
    if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT):
        return Trouble.TIMEOUT
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return Trouble.UNAVAILABLE
    if HTTPStatus.BAD_REQUEST <= status < _SERVER_ERRORS:
        return Trouble.REFUSED
    return Trouble.ERROR
