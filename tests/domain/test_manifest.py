import pytest

from app.domain.ids import new_job_id
from app.domain.manifest import Manifest
from app.errors import StorageFailed
from tests.adapters.storing import manifest_of


@pytest.mark.parametrize(("member", "value"), [("size", "5"), ("size", True), ("name", None), ("user_id", 7)])
def test_a_manifest_with_a_member_of_another_type_is_corrupt(member, value):
    data = Manifest(**{**manifest_of(new_job_id(), b"x").__dict__, member: value}).to_json()
    with pytest.raises(StorageFailed, match="blob_corrupt"):
        Manifest.from_json(data)


def test_a_manifest_with_members_of_a_later_version_is_read():
    manifest = manifest_of(new_job_id(), b"x")
    data = manifest.to_json()[:-1] + b',"owner":"somebody"}'
    assert Manifest.from_json(data) == manifest
