"""Requests about money, rates, limits and the kill switch, as in test_requests.py."""

from __future__ import annotations

from typing import Any, Final

from tests.referee.house import NOBODY

GETS: Final = (
    ("/v1.0/billing_account", "200"),
    ("/v1.0/billing_accounts/<account>", "200"),
    ("/v1.0/billing_accounts", "200"),
    ("/v1.0/billings/<billing>", "200"),
    ("/v1.0/billings", "200"),
    ("/v1.0/rates/<rate>", "200"),
    ("/v1.0/rates", "200"),
    ("/v1.0/rates/quote?destination=%2B442071838750&provider_id=<provider>&duration=61", "200"),
    ("/v1.0/call_limit", "200"),
    ("/v1.0/call_limits/<customer>", "200"),
    ("/v1.0/dialing", "200"),
    ("/v1.0/billing_accounts?customer_id=<customer>", "200"),
    ("/v1.0/billings?transaction_type=top_up&created_before=2126-01-01T00:00:00Z", "200"),
    ("/v1.0/billings?reference_id=<record_call>", "200"),
    ("/v1.0/rates?provider_id=<provider>", "200"),
    ("/v1.0/rates/quote?destination=+442071838750", "200"),
    ("/v1.0/billing_accounts/<nobody>", "404 BILLING_ACCOUNT_NOT_FOUND"),
    ("/v1.0/billings/<nobody>", "404 BILLING_NOT_FOUND"),
    ("/v1.0/rates/<nobody>", "404 RATE_NOT_FOUND"),
    ("/v1.0/call_limits/<nobody>", "404 CUSTOMER_NOT_FOUND"),
    ("/v1.0/billings?transaction_type=gift", "400 INVALID_REQUEST_PARAMETER"),
)

ADD_MONEY: Final = "/v1.0/billing_accounts/<account>/balance_add_force"
RATE: Final = {"provider_id": "<provider>", "prefix": "+44", "price_per_minute": "0.02"}
OTHERS: Final[tuple[tuple[str, str, Any, str], ...]] = (
    ("POST", "/v1.0/billing_accounts", {"customer_id": NOBODY}, "404 CUSTOMER_NOT_FOUND"),
    ("POST", ADD_MONEY, {"amount": 25}, "400 INVALID_ARGUMENT"),
    ("POST", ADD_MONEY, {"amount": "0"}, "400 INVALID_ARGUMENT"),
    ("POST", ADD_MONEY, {"amount": "1.0000001"}, "400 INVALID_ARGUMENT"),
    ("PUT", "/v1.0/billing_accounts/<account>", {"plan_type": "gold"}, "400 INVALID_ARGUMENT"),
    ("PUT", "/v1.0/call_limits/<customer>", {"calls_at_once": -1}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/rates", RATE, "409 RATE_EXISTS"),
    ("POST", "/v1.0/rates", {**RATE, "prefix": "44"}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/rates", {**RATE, "increment": 3601}, "400 INVALID_ARGUMENT"),
    ("POST", "/v1.0/rates", {**RATE, "provider_id": NOBODY}, "404 PROVIDER_NOT_FOUND"),
    ("POST", "/v1.0/rates", {**RATE, "provider_id": "<gone>"}, "404 PROVIDER_NOT_FOUND"),
)

CALLERS: Final = (
    ("GET", "/v1.0/billing_account", "customer_admin", "200"),
    ("GET", "/v1.0/billings/<billing>", "customer_admin", "404 BILLING_NOT_FOUND"),
    ("GET", "/v1.0/billing_accounts", "customer_admin", "403 PERMISSION_DENIED"),
)
