"""What tests of the operator's addresses share: a client that asks as the admin."""

import json

import pytest


@pytest.fixture
def ask(client, services):
    """Asks as the admin: a dict or bytes is posted as a command, a text is a path to get."""
    headers = {"Authorization": f"Bearer {services.settings.admin_token.get_secret_value()}"}

    def ask(what):
        if isinstance(what, str):
            return client.get(what, headers=headers)
        body = what if isinstance(what, bytes) else json.dumps(what).encode()
        return client.post("/api/admin/queue", data=body, headers=headers, content_type="application/json")

    return ask
