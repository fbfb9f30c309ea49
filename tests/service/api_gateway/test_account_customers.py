"""Customers: made, changed, frozen, recovered and ended, and acted for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from mesh.clock import new_id
from tests.service.api_gateway.account_house import AccountHouse
from tests.support.running_mesh import ok, reason

CUSTOMERS = "/v1.0/customers"
OWN = "/v1.0/customer"
UNREGISTER = "/auth/unregister"
ADMIN, MANAGER, AGENT = 32, 64, 16
WHY = "Ticket 4711: no audio since Monday"


async def test_a_customer_is_made_and_changed_by_super_admins(house: AccountHouse) -> None:
    made = await house.a_customer(detail="of the fair")
    assert list(made) == [
        "id", "name", "detail", "status", "identity_verification_status", "rtp_debug",
        "tm_deletion_scheduled", "tm_deletion_effective", "tm_create", "tm_update", "tm_delete",
    ]  # fmt: skip
    assert (made["status"], made["identity_verification_status"]) == ("active", "none")
    path = f"{CUSTOMERS}/{made['id']}"
    change = {"identity_verification_status": "verified", "rtp_debug": True}
    changed = ok(await house.ask("PUT", path, house.admin, change))
    assert changed == {**made, **change, "tm_update": changed["tm_update"]}
    assert ok(await house.ask("GET", path, house.admin)) == changed
    listed = ok(await house.ask("GET", f"{CUSTOMERS}?page_size=2", house.admin))
    assert [one["name"] for one in listed["result"]] == ["Example Ltd", "First customer"]
    rest = ok(
        await house.ask("GET", f"{CUSTOMERS}?page_token={listed['next_page_token']}", house.admin)
    )
    assert [one["name"] for one in rest["result"]] == ["Platform"]
    for body in ({"status": "active"}, {"identity_verification_status": "good"}, {"id": "x"}):
        answer = await house.ask("PUT", path, house.admin, body)
        assert answer.status_code == 400


async def test_nobody_else_sees_customers(house: AccountHouse) -> None:
    path = f"{CUSTOMERS}/{house.first.customer_admin.customer_id}"
    for method, where, body in (
        ("POST", CUSTOMERS, {"name": "x"}),
        ("GET", CUSTOMERS, None),
        ("GET", path, None),
        ("PUT", path, {"name": "x"}),
        ("DELETE", path, None),
    ):
        answer = await house.ask(method, where, house.customer_admin, body)
        assert reason(answer) == (403, "PERMISSION_DENIED")


async def test_a_customer_sees_itself_and_changes_its_name_only(house: AccountHouse) -> None:
    customer = await house.a_customer()
    admin = await house.signed_in("their-admin", ADMIN, customer_id=customer["id"])
    manager = await house.signed_in("their-manager", MANAGER, customer_id=customer["id"])
    assert ok(await house.ask("GET", OWN, manager)) == customer
    assert reason(await house.ask("PUT", OWN, manager, {"name": "x"}))[0] == 403
    assert ok(await house.ask("PUT", OWN, admin, {"name": "New Ltd"}))["name"] == "New Ltd"
    for body in ({"identity_verification_status": "verified"}, {"rtp_debug": True}):
        assert reason(await house.ask("PUT", OWN, admin, body)) == (400, "INVALID_ARGUMENT")


async def test_a_deleted_customer_stays_readable_and_ends_what_was_its(
    house: AccountHouse,
) -> None:
    customer = await house.a_customer()
    admin = await house.signed_in("their-admin", ADMIN, customer_id=customer["id"])
    path = f"{CUSTOMERS}/{customer['id']}"
    deleted = ok(await house.ask("DELETE", path, house.admin))
    assert deleted["status"] == "deleted"
    assert ok(await house.ask("DELETE", path, house.admin)) == deleted
    assert ok(await house.ask("GET", path, house.admin)) == deleted
    assert reason(await house.ask("GET", OWN, admin)) == (401, "INVALID_CREDENTIALS")
    not_found = (404, "CUSTOMER_NOT_FOUND")
    assert reason(await house.ask("PUT", path, house.admin, {"name": "x"})) == not_found
    assert reason(await house.ask("GET", f"{CUSTOMERS}/{new_id()}", house.admin)) == not_found
    await house.an_agent("their-admin", ADMIN)


async def test_a_frozen_customer_is_served_nothing_but_its_recovery(house: AccountHouse) -> None:
    customer = await house.a_customer()
    admin = await house.signed_in("their-admin", ADMIN, customer_id=customer["id"])
    key = await house.a_key(admin)
    manager = await house.signed_in("their-manager", MANAGER, customer_id=customer["id"])
    assert reason(await house.ask("POST", UNREGISTER, manager))[0] == 403
    frozen = ok(await house.ask("POST", UNREGISTER, admin))
    assert frozen["status"] == "frozen"
    scheduled, effective = frozen["tm_deletion_scheduled"], frozen["tm_deletion_effective"]
    assert datetime.fromisoformat(effective) - datetime.fromisoformat(scheduled) == timedelta(30)
    for answer in (
        await house.ask("GET", OWN, admin),
        await house.ask("GET", OWN, key=key["token"]),
        await house.ask("POST", UNREGISTER, admin),
        await house.ask("DELETE", UNREGISTER, manager),
    ):
        assert answer.status_code == 403
    refusal = (await house.ask("GET", OWN, admin)).json()["error"]
    assert (refusal["status"], refusal["reason"]) == ("PERMISSION_DENIED", "ACCOUNT_FROZEN")
    assert refusal["details"][0] == {
        "deletion_scheduled_at": scheduled,
        "deletion_effective_at": effective,
        "recovery_endpoint": "DELETE /auth/unregister",
    }
    again = await house.login("their-admin")
    recovered = ok(await house.ask("DELETE", UNREGISTER, again))
    assert (recovered["status"], recovered["tm_deletion_scheduled"]) == ("active", None)
    assert ok(await house.ask("GET", OWN, key=key["token"])) == recovered
    answer = await house.ask("DELETE", UNREGISTER, admin)
    assert reason(answer) == (409, "STATE_INVALID")


async def test_after_thirty_days_a_frozen_customer_has_expired(house: AccountHouse) -> None:
    customer = await house.a_customer()
    admin = await house.signed_in("their-admin", ADMIN, customer_id=customer["id"])
    key = await house.a_key(admin, expire=86_400 * 60)
    ok(await house.ask("POST", UNREGISTER, admin))
    house.clock.ahead = timedelta(days=29, hours=23)
    late = await house.login("their-admin")
    assert reason(await house.ask("GET", OWN, late)) == (403, "ACCOUNT_FROZEN")
    house.clock.ahead = timedelta(days=30, seconds=1)
    worthless = (401, "INVALID_CREDENTIALS")
    assert reason(await house.ask("DELETE", UNREGISTER, late)) == worthless
    assert reason(await house.ask("DELETE", UNREGISTER, key=key["token"])) == worthless
    body = {"username": "their-admin", "password": "correct horse battery"}
    assert (await house.ask("POST", "/auth/login", body=body)).status_code == 400
    admin_now = await house.login(house.first.admin.username, house.first.admin.password)
    shown = ok(await house.ask("GET", f"{CUSTOMERS}/{customer['id']}", admin_now))
    assert shown["status"] == "expired"


async def test_a_super_admin_is_served_though_its_customer_is_frozen(house: AccountHouse) -> None:
    ok(await house.ask("POST", UNREGISTER, house.admin))
    ok(await house.ask("GET", CUSTOMERS, house.admin))
    assert reason(await house.ask("POST", UNREGISTER, house.admin)) == (409, "STATE_INVALID")
    beside = await house.signed_in("platform-office", ADMIN)
    assert reason(await house.ask("GET", OWN, beside)) == (403, "ACCOUNT_FROZEN")


async def test_a_super_admin_acts_for_a_customer_without_its_own_rights(
    house: AccountHouse,
) -> None:
    customer = await house.a_customer()
    wish = {"customer_id": customer["id"], "reason": WHY}
    made = ok(await house.ask("POST", "/auth/delegate", house.admin, wish))
    assert list(made) == ["token", "customer_id", "expire"]
    assert made["customer_id"] == customer["id"]
    token = made["token"]
    assert ok(await house.ask("GET", OWN, token)) == customer
    assert reason(await house.ask("GET", CUSTOMERS, token)) == (403, "PERMISSION_DENIED")
    again = await house.ask("POST", "/auth/delegate", token, wish)
    assert (again.status_code, again.content) == (403, b"")
    house.clock.ahead = timedelta(hours=8, minutes=1)
    assert reason(await house.ask("GET", OWN, token)) == (401, "INVALID_CREDENTIALS")


async def test_who_acts_for_its_own_customer_gets_no_way_back_to_its_rights(
    house: AccountHouse,
) -> None:
    first = house.first.admin
    wish = {"customer_id": first.customer_id, "reason": WHY}
    token = ok(await house.ask("POST", "/auth/delegate", house.admin, wish))["token"]
    path = f"/v1.0/agents/{first.agent_id}"
    refused = (403, "PERMISSION_NOT_HELD")
    password = {"password": "the way back to it"}
    assert reason(await house.ask("PUT", f"{path}/password", token, password)) == refused
    assert reason(await house.ask("PUT", path, token, {"name": "x"})) == refused
    assert reason(await house.ask("DELETE", path, token)) == refused
    ok(await house.ask("PUT", f"{path}/password", house.admin, password))


async def test_acting_for_a_customer_ends_with_the_rights_to(house: AccountHouse) -> None:
    customer = await house.a_customer()
    agent = await house.an_agent("second", 1)
    wish = {"customer_id": customer["id"], "reason": WHY}
    second = await house.login("second")
    token = ok(await house.ask("POST", "/auth/delegate", second, wish))["token"]
    ok(await house.ask("GET", OWN, token))
    demotion = {"permission": ADMIN}
    ok(await house.ask("PUT", f"/v1.0/agents/{agent['id']}/permission", house.admin, demotion))
    assert reason(await house.ask("GET", OWN, token)) == (401, "INVALID_CREDENTIALS")


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({"reason": "too short"}, 422),
        ({"reason": "x" * 201}, 422),
        ({"reason": "not printable\n"}, 422),
        ({"reason": "nicht nur ASCII: ä"}, 422),
        ({"customer_id": "x"}, 422),
        ({"customer_id": ""}, 422),
        ({"customer_id": "x" * 65}, 422),
        ({"reason": "x" * 1025}, 422),
        ({"customer_id": "0195f3c2-8f3a-7c4e-9a53-0d1c2b3a4f5e"}, 404),
    ],
)
async def test_failures_to_act_for_a_customer_are_bare(
    house: AccountHouse, wish: dict[str, str], status: int
) -> None:
    body = {"customer_id": house.first.customer_admin.customer_id, "reason": WHY, **wish}
    answer = await house.ask("POST", "/auth/delegate", house.admin, body)
    assert (answer.status_code, answer.content) == (status, b"")


async def test_an_access_key_does_not_act_for_others(house: AccountHouse) -> None:
    key = await house.a_key(house.admin, permission=1)
    body = {"customer_id": house.first.customer_admin.customer_id, "reason": WHY}
    answer = await house.ask("POST", "/auth/delegate", body=body, key=key["token"])
    assert (answer.status_code, answer.content) == (403, b"")
