"""We call the client library below its public surface, where parts are put one by one: it has to be what it was. And what
it raises has to be what we take it for."""

import inspect
import ssl
from pathlib import Path

import pytest
import urllib3
from minio import Minio
from redis.sentinel import SentinelManagedConnection

import app.adapters
from app.adapters.s3_client import refusals
from app.adapters.s3_patience import Refusal

BELOW = {
    "_put_object": ["bucket_name", "object_name", "data", "headers", "query_params"],
    "_create_multipart_upload": ["bucket_name", "object_name", "headers"],
    "_upload_part": ["bucket_name", "object_name", "data", "headers", "upload_id", "part_number"],
    "_complete_multipart_upload": ["bucket_name", "object_name", "upload_id", "parts", "ssec"],
    "_abort_multipart_upload": ["bucket_name", "object_name", "upload_id"],
}


@pytest.mark.parametrize("name", BELOW)
def test_what_is_called_below_the_surface_takes_what_it_took(name):
    assert list(inspect.signature(getattr(Minio, name)).parameters) == ["self", *BELOW[name]]


def test_a_connection_by_sentinel_is_made_as_it_was():
    assert list(inspect.signature(SentinelManagedConnection._connect_retry).parameters) == ["self"]


def test_one_file_alone_knows_the_client_of_s3():
    folder = Path(app.adapters.__path__[0])
    assert [path.name for path in sorted(folder.glob("*.py")) if "minio import" in path.read_text()] == ["s3_client.py"]


def test_a_certificate_that_is_not_trusted_is_not_asked_about_again():
    with pytest.raises(Refusal) as caught, refusals():
        raise urllib3.exceptions.SSLError(ssl.SSLCertVerificationError())
    assert caught.value.meaning.permanent
