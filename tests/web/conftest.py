"""What tests of the web share: the secrets of guarded addresses, and clients that are the admin."""

import json

import pytest

from app.adapters.blob_store import LocalBlobs
from tests.web.secrets import ADMIN_TOKEN, SECRETS


@pytest.fixture
def settings(settings):
    return settings.model_copy(update=SECRETS)


@pytest.fixture
def admin(client):
    """A client with a session."""
    assert client.post("/admin/login", data={"token": ADMIN_TOKEN}).status_code == 303
    return client


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


@pytest.fixture
def blobs(tmp_path):
    return LocalBlobs(tmp_path)


@pytest.fixture
def left_behind(tmp_path):
    return lambda: [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.fixture
def log(app):
    log = app.extensions["event_log"]
    log.is_listening = True  # the tests ring
    return log


@pytest.fixture
def token(services):
    return services.settings.admin_token.get_secret_value()
