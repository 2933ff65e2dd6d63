import pytest

from app.domain.ids import is_job_id, new_job_id


def test_new_ids_have_our_form_and_differ():
    ids = {new_job_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(is_job_id(job_id) for job_id in ids)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job_",
        "job_" + "a" * 23,
        "job_" + "a" * 25,
        "job_" + "a" * 24 + "\n",
        "\njob_" + "a" * 24,
        "job_1" + "a" * 23,
        "job_A" + "a" * 23,
        "JOB_" + "a" * 24,
        "job_" + "a" * 22 + "..",
        "job_" + "a" * 22 + "/a",
        "job_" + "a" * 23 + "\x00",
        "job_a" + "٣" * 23,
        "😀" * 28,
        "job_" + "a" * 10_240,
    ],
)
def test_anything_else_is_no_id(text):
    assert not is_job_id(text)


@pytest.mark.parametrize("value", [None, 7, b"job_" + b"a" * 24, ["job_" + "a" * 24]])
def test_only_text_can_be_an_id(value):
    assert not is_job_id(value)
