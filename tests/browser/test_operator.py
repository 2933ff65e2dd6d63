"""The operator page: logging in, looking, finding jobs, and acting on one, some or all that match."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import Service
from tests.browser.documents import BROKEN_PDF
from tests.browser.operator_page import (
    agree,
    ask,
    expect_dialog,
    expect_job,
    expect_said,
    job_row,
    only,
    send,
    until_ended,
)

pytestmark = [pytest.mark.browser, pytest.mark.live]

EVENTS = "**/api/admin/events"
QUEUE = "**/api/admin/queue"


def test_the_printed_link_logs_in_once_and_leaves_no_code_behind(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    page.goto(service.login_link)
    expect(page).to_have_url(re.compile(r"/admin$"))
    page.go_back()
    assert "code" not in page.url
    page.goto("/admin")
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin")
    expect(page.get_by_label("Admin token")).to_be_visible()
    page.goto(service.login_link)
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_wrong_token_is_told(page: Page) -> None:
    page.goto("/admin/login")
    page.get_by_label("Admin token").fill("no such token at all")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_numbers_priorities_workers_and_the_schedule_are_shown(operator: Page) -> None:
    expect(operator.locator("#numbers")).to_contain_text("waiting")
    expect(operator.locator("#priorities tr")).to_have_count(4)
    worker = operator.locator("#workers tr").first
    expect(worker).to_contain_text("process")
    expect(worker).to_contain_text("ago")
    expect(operator.locator("#batch")).to_contain_text("The batch runs every minute")
    expect(operator.locator("#system")).to_contain_text("noeviction")


@pytest.mark.usefixtures("low_is_paused")
def test_pausing_and_resuming_ask_first_and_say_what_came_of_it(operator: Page, service: Service) -> None:
    send(service, "held.txt", priority="low")
    operator.get_by_role("button", name="Resume: low").click()
    dialog = expect_dialog(operator, "Resume priority low?")
    expect(dialog).to_contain_text("waits there now")
    agree(operator, "Resume")
    expect_said(operator, "Priority low is resumed.")
    state = operator.locator('#priorities tr[data-key="low"]')
    expect(state).to_contain_text("open")
    operator.get_by_role("button", name="Pause: low").click()
    expect_dialog(operator, "Pause priority low?")
    agree(operator, "Pause")
    expect(state).to_contain_text("paused")


@pytest.mark.usefixtures("low_is_paused")
def test_one_job_is_cancelled_retried_and_deleted_from_the_list(operator: Page, service: Service) -> None:
    send(service, "listed.txt", priority="low")
    only(operator, "listed")
    expect_job(operator, "listed.txt", "pending")
    operator.get_by_role("button", name="Cancel: listed.txt").click()
    expect_dialog(operator, "Cancel listed.txt?")
    agree(operator, "Cancel 1 job")
    expect_job(operator, "listed.txt", "cancelled")
    operator.get_by_role("button", name="Retry: listed.txt").click()
    expect_dialog(operator, "Retry listed.txt?")
    agree(operator, "Retry 1 job")
    expect(job_row(operator, "listed.txt")).to_contain_text("paused by the operator")
    operator.get_by_role("button", name="Delete: listed.txt").click()
    expect_dialog(operator, "Delete listed.txt?")
    operator.keyboard.press("Escape")
    operator.keyboard.press("Enter")  # at once, before the dialog has told that it closed
    expect_dialog(operator, "Delete listed.txt?")
    agree(operator, "Delete 1 job")
    expect(job_row(operator, "listed.txt")).to_have_count(0)
    expect(operator.get_by_role("heading", name="Jobs", exact=True)).to_be_focused()
    expect_said(operator, "1 job was deleted.")


def test_failed_jobs_are_found_by_their_code_and_a_selection_is_deleted(operator: Page, service: Service) -> None:
    for number in range(3):
        until_ended(service, send(service, f"damaged-{number}.pdf", BROKEN_PDF))
    until_ended(service, send(service, "sound.txt"))
    operator.get_by_role("button", name=re.compile("^corrupt_document")).click()
    expect(operator.locator("#bulk-target")).to_have_text("All failed jobs with the code corrupt_document")
    expect(job_row(operator, "sound.txt")).to_have_count(0)
    for number in range(2):
        operator.get_by_label(f"Select: damaged-{number}.pdf").check()
    expect(operator.locator("#bulk-target")).to_have_text("2 jobs selected")
    operator.get_by_role("button", name="Delete…").click()
    expect(expect_dialog(operator, "Delete 2 selected jobs?").get_by_role("listitem")).to_have_count(2)
    agree(operator, "Delete 2 jobs")
    expect_said(operator, "2 jobs were deleted.")
    expect(job_row(operator, "damaged-0.pdf")).to_have_count(0)
    expect_job(operator, "damaged-2.pdf", "failed")


def test_jobs_that_somebody_cancelled_are_not_among_those_that_failed(
    operator: Page, service: Service, low_is_paused: None
) -> None:
    until_ended(service, send(service, "broke-by-itself.pdf", BROKEN_PDF, user="cancels"))
    send(service, "called-off.txt", priority="low", user="cancels")
    operator.get_by_label("User label").fill("cancels")
    job_row(operator, "called-off.txt").get_by_role("button", name="Cancel").click()
    agree(operator, re.compile("^Cancel"))
    expect_job(operator, "called-off.txt", "cancelled")
    status = operator.locator('#filter select[name="status"]')
    status.select_option("failed")
    expect(operator.locator("#bulk-target")).to_have_text("All failed jobs of the user cancels")
    expect(job_row(operator, "called-off.txt")).to_have_count(0)
    expect_job(operator, "broke-by-itself.pdf", "failed")
    operator.locator("#bulk").get_by_role("button", name="Retry").click()
    sample = expect_dialog(operator, "Retry all failed jobs of the user cancels?").get_by_role("listitem")
    expect(sample).to_have_text([re.compile("broke-by-itself.pdf")])
    operator.keyboard.press("Escape")
    status.select_option("cancelled")
    expect(operator.locator("#bulk-target")).to_have_text("All cancelled jobs of the user cancels")
    expect(job_row(operator, "broke-by-itself.pdf")).to_have_count(0)
    expect_job(operator, "called-off.txt", "cancelled")
    operator.reload()
    expect(status).to_have_value("cancelled")
    expect_job(operator, "called-off.txt", "cancelled")


@pytest.mark.usefixtures("low_is_paused")
def test_a_large_act_goes_in_slices_with_its_progress_and_is_one_line_of_the_list(
    operator: Page, service: Service
) -> None:
    for number in range(12):
        send(service, f"slice-{number:02}.txt", priority="low")
    slices: list[dict[str, object]] = []

    def of_five(route: Route) -> None:
        command = {**route.request.post_data_json, "limit": 5}
        slices.append(command)
        route.continue_(post_data=json.dumps(command))

    operator.route(QUEUE, lambda route: of_five(route) if route.request.method == "POST" else route.continue_())
    only(operator, "slice")
    operator.get_by_role("button", name="Change priority…").click()
    dialog = expect_dialog(operator, re.compile("whose file name contains “slice”"))
    expect(dialog.locator('[data-part="what"]')).to_have_text("12 jobs would be moved to urgent:")
    expect(dialog.get_by_role("listitem")).to_have_count(10)
    expect(dialog).to_contain_text("and 2 more")
    dialog.get_by_label("New priority").select_option("high")
    expect(dialog.locator('[data-part="what"]')).to_have_text("12 jobs would be moved to high:")
    slices.clear()
    agree(operator, "Change 12 jobs")
    expect_said(operator, "12 jobs were moved to high.")
    assert len(slices) >= 3
    assert {bool(command.get("operation")) for command in slices[1:]} == {True}
    line = operator.locator("#audit tr").first
    expect(line).to_contain_text("slice")
    expect(line).to_contain_text("12 jobs")
    expect(line).to_contain_text("session 127.0.0.1")


@pytest.mark.usefixtures("low_is_paused")
def test_a_large_act_is_stopped_between_two_slices(operator: Page, service: Service) -> None:
    for number in range(6):
        send(service, f"stopped-{number}.txt", priority="low")
    held: list[Route] = []

    def of_two(route: Route) -> None:
        command = route.request.post_data_json
        if command.get("cursor") and not command.get("dryRun"):
            held.append(route)
        else:
            route.continue_(post_data=json.dumps({**command, "limit": 2}))

    operator.route(QUEUE, lambda route: of_two(route) if route.request.method == "POST" else route.continue_())
    only(operator, "stopped")
    operator.get_by_role("button", name="Cancel…").click()
    dialog = expect_dialog(operator, re.compile("^Cancel all jobs"))
    dialog.get_by_role("button", name="Cancel 6 jobs").click()
    expect(dialog.get_by_role("progressbar")).to_have_attribute("value", "2")
    expect(dialog).to_contain_text("2 of 6")
    dialog.get_by_role("button", name="Stop").click()
    held[0].continue_(post_data=json.dumps({**held[0].request.post_data_json, "limit": 2}))
    expect_said(operator, "Stopped. 4 jobs were cancelled.")
    expect(operator.locator('#jobs .mark[data-state="pending"]')).to_have_count(2)


def test_a_search_that_another_one_follows_asks_no_further(operator: Page, service: Service) -> None:
    until_ended(service, send(service, "follows.txt"))
    held: list[Route] = []
    operator.route(re.compile("/api/ingest/jobs[?].*q=rare"), lambda route: held.append(route))
    with operator.expect_request(re.compile("q=rare")):
        only(operator, "rare")
    only(operator, "follows")
    expect_job(operator, "follows.txt", "completed")
    asked = [*held]
    for route in asked:
        route.fulfill(json={"success": True, "jobs": [], "nextCursor": "further"})
    with operator.expect_response(re.compile("q=other")):
        only(operator, "other")
    assert held == asked != []


def test_news_does_not_take_the_place_of_a_list_that_is_being_read(operator: Page, service: Service) -> None:
    until_ended(service, send(service, "short.txt"))
    held: list[Route] = []
    operator.clock.install()
    operator.reload()
    expect_job(operator, "short.txt", "completed")
    operator.route(re.compile("/api/ingest/jobs[?].*q=long"), lambda route: held.append(route))
    with operator.expect_request(re.compile("q=long")):
        only(operator, "long")
    for _ in range(2):  # the list would be looked at now and then, with the history
        with operator.expect_response(re.compile("/api/admin/history")):
            operator.clock.fast_forward(60_000)
    for route in held:  # two, where the list was looked at while the word was typed
        route.continue_()
    expect(job_row(operator, "short.txt")).to_have_count(0)


def test_nothing_is_done_to_all_jobs_at_once(operator: Page) -> None:
    operator.get_by_role("button", name="Delete…").click()
    expect(operator.get_by_role("alert").filter(has_text="Nothing is done to all jobs")).to_be_visible()
    expect(operator.get_by_role("dialog")).to_have_count(0)


def test_the_filter_finds_by_name_and_user_outlives_a_reload_and_is_taken_back(
    operator: Page, service: Service
) -> None:
    send(service, "needle.txt", user="ada")
    send(service, "straw.txt", user="grace")
    operator.get_by_label("User label").fill("ada")
    expect(job_row(operator, "straw.txt")).to_have_count(0)
    only(operator, "need")
    operator.reload()
    expect(operator.get_by_role("searchbox", name="File name")).to_have_value("need")
    expect_job(operator, "needle.txt", "completed")
    expect(job_row(operator, "straw.txt")).to_have_count(0)
    operator.get_by_role("button", name="Show all").click()
    expect(job_row(operator, "straw.txt")).to_have_count(1)


@pytest.mark.usefixtures("low_is_paused")
def test_more_jobs_are_loaded_and_all_that_are_shown_selected(operator: Page, service: Service) -> None:
    for number in range(30):
        send(service, f"many-{number:02}.txt", priority="low", user="many")
    operator.get_by_label("User label").fill("many")
    expect(operator.locator("#jobs tbody tr")).to_have_count(25)
    operator.get_by_role("button", name="Load more").click()
    expect(operator.locator("#jobs tbody tr")).to_have_count(30)
    operator.get_by_label("Select all that are shown").check()
    expect(operator.locator("#bulk-target")).to_have_text("30 jobs selected")
    operator.get_by_role("button", name="Delete…").click()
    expect_dialog(operator, "Delete 30 selected jobs?")
    agree(operator, "Delete 30 jobs")
    expect(operator.locator("#jobs tbody")).to_have_text("No jobs here.")


def test_cleaning_up_shows_first_what_would_go(operator: Page) -> None:
    operator.get_by_role("button", name="Clean up…").click()
    dialog = expect_dialog(operator, "Remove jobs that ended more than 7 days ago?")
    expect(dialog).to_contain_text("No job would be affected")
    expect(dialog.get_by_role("button", name="Remove")).to_be_disabled()


def test_news_come_by_events_without_asking(operator: Page, service: Service) -> None:
    expect(operator.locator("#freshness")).to_have_attribute("data-way", "events")
    operator.route(QUEUE, refused)
    only(operator, "pushed")
    until_ended(service, send(service, "pushed.txt"))
    expect_job(operator, "pushed.txt", "completed")
    expect(operator.locator("#numbers")).to_contain_text("done1")


def test_held_updates_bring_no_news_until_they_go_on(operator: Page, service: Service) -> None:
    only(operator, "news")
    expect(operator.locator("#jobs tbody")).to_have_text("No jobs here.")
    hold = operator.get_by_role("button", name="Pause updates")
    hold.click()
    expect(hold).to_have_attribute("aria-pressed", "true")
    expect(operator.locator("#freshness")).to_contain_text("Updates are paused")
    asked: list[str] = []
    until_ended(service, send(service, "warm.txt"))  # what was asked before may still be under way
    operator.on("request", lambda request: asked.append(request.url))
    until_ended(service, send(service, "news.txt"))
    assert [url for url in asked if "/api/" in url] == []
    hold.click()
    expect_job(operator, "news.txt", "completed")
    expect(operator.locator("#freshness")).to_contain_text("Updated")


def refused(route: Route) -> None:
    route.fulfill(status=503, content_type="application/problem+json", body="{}")


def test_without_events_the_page_asks(operator: Page, service: Service) -> None:
    operator.route(EVENTS, refused)
    operator.reload()
    expect(operator.locator("#freshness")).to_have_attribute("data-way", "asking")
    only(operator, "asked for")
    until_ended(service, send(service, "asked for.txt"))
    expect_job(operator, "asked for.txt", "completed")


def test_an_outage_is_told_and_is_over_by_itself(operator: Page) -> None:
    operator.route(EVENTS, refused)
    operator.route(QUEUE, refused)
    operator.reload()
    expect(operator.locator("#alarm")).to_contain_text("answered with an error (503)")
    operator.unroute(QUEUE)
    expect(operator.locator("#alarm")).to_be_hidden()
    expect(operator.locator("#priorities tr")).to_have_count(4)


def test_where_nothing_may_be_changed_no_button_offers_it(operator: Page) -> None:
    def for_looking(route: Route) -> None:
        document = route.fetch().json()
        route.fulfill(body=json.dumps({**document, "readOnly": True}), content_type="application/json")

    operator.route(EVENTS, refused)
    operator.route(QUEUE, for_looking)
    operator.reload()
    expect(operator.locator("#read-only")).to_contain_text("for looking only")
    for name in (re.compile("^Pause: "), re.compile("^Delete"), "Retry…", "Clean up…"):
        expect(operator.get_by_role("button", name=name)).to_have_count(0)
    expect(operator.get_by_role("checkbox")).to_have_count(0)
    expect(operator.get_by_role("button", name="Pause updates")).to_be_visible()


def test_what_is_wrong_stands_on_top_with_a_way_out(operator: Page) -> None:
    warning = {"code": "eviction_policy", "message": "Redis may forget.", "suggestion": "Set it to noeviction."}

    def warned(route: Route) -> None:
        document = route.fetch().json()
        document["system"]["warnings"] = [warning]
        document["workers"] = []
        document["queue"]["pendingJobs"] = 2
        route.fulfill(body=json.dumps(document), content_type="application/json")

    operator.route(EVENTS, refused)
    operator.route(QUEUE, warned)
    operator.reload()
    warnings = operator.get_by_role("list", name="Warnings").get_by_role("listitem")
    expect(warnings).to_have_text(
        [
            "Redis may forget. Set it to noeviction.",
            re.compile("2 jobs wait and no worker is running. Start a worker"),
        ]
    )
    expect(operator.locator("#workers")).to_have_text("No worker is running.")


def test_the_keyboard_alone_selects_and_deletes(operator: Page, service: Service) -> None:
    until_ended(service, send(service, "typed.txt"))
    only(operator, "typed")
    expect_job(operator, "typed.txt", "completed")
    tab_to(operator, "Retry…")
    tab_to(operator, "Select: typed.txt")
    operator.keyboard.press("Space")
    tab_to(operator, "Delete…", "Shift+Tab")
    operator.keyboard.press("Enter")
    dialog = expect_dialog(operator, "Delete 1 selected job?")
    expect(dialog.get_by_role("button", name="Back")).to_be_focused()
    expect(dialog.get_by_role("button", name="Delete 1 job")).to_be_enabled()
    operator.keyboard.press("Tab")
    operator.keyboard.press("Enter")
    expect_said(operator, "1 job was deleted.")
    assert "typed.txt" not in json.dumps(ask(service, "/api/ingest/jobs?limit=200"))


def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Presses it until what has that name has the focus."""
    for _ in range(20):
        page.keyboard.press(key)
        focused = page.evaluate(
            "document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent"
        )
        if focused == name:
            return
    raise AssertionError(f"{name} is not reached by {key}")


def test_logging_out_ends_it(context: BrowserContext, service: Service) -> None:
    page = context.new_page()
    page.goto("/admin")
    page.get_by_label("Admin token").fill(service.token)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("button", name="Log out").click()
    page.goto("/admin")
    expect(page.get_by_label("Admin token")).to_be_visible()
