import pytest

from app import create_app
from app.domain.job import Priority
from tests.jobs_in_states import failed
from tests.web.secrets import ADMIN_TOKEN

UNKNOWN = "job_" + "a" * 24


def test_nobody_else_sees_the_operators_pages_or_learns_which_jobs_there_are(client, services):
    for path in ("/admin", f"/admin/jobs/{failed(services).id}", f"/admin/jobs/{UNKNOWN}"):
        answer = client.get(path)
        assert (answer.status_code, answer.location) == (303, "/admin/login")


def test_the_operator_page_is_shown_to_the_admin_and_knows_the_servers_clock(admin, clock):
    answer = admin.get("/admin")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert f'data-now="{clock.now}"' in answer.text


def test_the_page_of_a_job_holds_its_id_and_nothing_that_a_user_wrote(admin, services):
    job = failed(services, name="<img src=x>.txt", user_id="<b>", priority=Priority.LOW)
    answer = admin.get(f"/admin/jobs/{job.id}")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert f'data-job-id="{job.id}"' in answer.text
    assert "<img src=x" not in answer.text
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_where_nothing_may_be_changed_the_page_of_a_job_says_so(services, settings):
    read_only = create_app(settings.model_copy(update={"admin_read_only": True}), services)
    services.settings = read_only.extensions["services"].settings.model_copy(update={"admin_read_only": True})
    admin = read_only.test_client()
    admin.post("/admin/login", data={"token": ADMIN_TOKEN})
    page = admin.get(f"/admin/jobs/{failed(services).id}").text
    assert "data-read-only" in page
    assert "for looking only" in page


@pytest.mark.parametrize("job_id", [UNKNOWN, "x", "job_..", "<b>"])
def test_a_job_that_is_not_there_is_a_404_page(admin, job_id):
    answer = admin.get(f"/admin/jobs/{job_id}")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
