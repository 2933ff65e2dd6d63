"""The way of an admin through one proxy, by the headers that it sends: believed as far as TRUSTED_PROXIES says."""

from __future__ import annotations

from typing import Any

import pytest

from app import create_app
from app.settings import Settings
from app.web.login import LOGINS_A_MINUTE

NAME = "files.example.org"
TOKEN = "a-token-for-tests-only"


def told(address: str, *, host: str = NAME, scheme: str = "https", **more: str) -> dict[str, str]:
    """What one proxy passes on; `address` may begin with hops that the client made up."""
    return {"X-Forwarded-For": address, "X-Forwarded-Host": host, "X-Forwarded-Proto": scheme, **more}


@pytest.fixture
def through(settings: Settings, services: Any) -> Any:
    """Gives a client of the service behind so many proxies."""

    def made(proxies: int) -> Any:
        changes = {"host": "0.0.0.0", "trusted_proxies": proxies, "trusted_hosts": (NAME, "localhost")}
        services.settings = settings.model_copy(update=changes)
        return create_app(services=services).test_client(use_cookies=False)

    return made


def log_in(client: Any, headers: dict[str, str], token: str = TOKEN) -> Any:
    return client.post("/admin/login", data={"token": token}, headers=headers)


def test_an_admin_logs_in_and_acts_through_the_proxy(through: Any) -> None:
    client = through(1)
    own = told("203.0.113.7", Origin=f"https://{NAME}")
    answer = log_in(client, own)
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert "Secure" in cookie.split("; ")
    session = {"Cookie": cookie.partition(";")[0]}
    command = {"action": "cleanup", "daysOld": 7}
    assert client.post("/api/admin/queue", json=command, headers={**own, **session}).status_code == 200
    foreign = told("203.0.113.7", Origin="https://evil.example")
    refused = client.post("/api/admin/queue", json=command, headers={**foreign, **session})
    assert (refused.status_code, refused.json["error"]["code"]) == (403, "cross_site")


def test_without_a_proxy_its_headers_are_the_clients_own_and_mean_nothing(through: Any) -> None:
    client = through(0)
    assert "Secure" not in log_in(client, told("203.0.113.7")).headers["Set-Cookie"]
    assert log_in(client, told("203.0.113.7", Origin=f"https://{NAME}")).status_code == 403
    assert client.get("/healthz", headers=told("203.0.113.7", host="evil.example")).status_code == 200


def test_a_host_that_the_proxy_passes_on_has_to_be_one_of_ours(through: Any) -> None:
    assert through(1).get("/healthz", headers=told("203.0.113.7", host="evil.example")).status_code == 400


@pytest.mark.parametrize("claim", ["198.51.100.{n}, ", "127.0.0.1, 198.51.100.{n}, ", ""])
def test_hops_that_a_client_made_up_do_not_hide_who_asks(through: Any, claim: str) -> None:
    """A proxy that adds to the header puts the address that it saw last."""
    client = through(1)
    statuses = [
        log_in(client, told(claim.format(n=n) + "203.0.113.7"), "wrong").status_code for n in range(LOGINS_A_MINUTE + 1)
    ]
    assert statuses == [401] * LOGINS_A_MINUTE + [429]
    assert log_in(client, told("203.0.113.8"), "wrong").status_code == 401


def test_of_two_proxies_the_address_that_the_first_saw_counts(through: Any) -> None:
    client = through(2)
    seen = [
        log_in(
            client, told(f"198.51.100.{n}, 203.0.113.7, 10.0.0.{n}", host=f"{NAME}, x", scheme="https, http"), "wrong"
        )
        for n in range(LOGINS_A_MINUTE + 1)
    ]
    assert [answer.status_code for answer in seen] == [401] * LOGINS_A_MINUTE + [429]
