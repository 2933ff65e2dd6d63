"""The ES module of clients/js in a browser, as another page of this service would use it."""

from __future__ import annotations

from playwright.sync_api import Page

from app.settings import ROOT

MODULE = ROOT / "clients" / "js" / "ingest.mjs"
SENT_AND_READ = """async () => {
    const { Client, IngestError } = await import("/ingest.mjs");
    const client = new Client();
    const told = [], states = [];
    const file = new File(["some words ".repeat(100_000)], "long.txt");
    const { jobId } = await client.upload(file, { progress: (sent, size) => told.push([sent, size]) });
    for await (const event of client.events(jobId)) states.push(event.data.status);
    const end = await client.wait(jobId);
    const refused = await client.result("job_nowhere").catch((error) => error instanceof IngestError && error.code);
    return { told: told.at(-1), size: file.size, last: states.at(-1), words: end.result.words, refused };
}"""


def test_it_uploads_with_progress_watches_and_tells_errors(page: Page) -> None:
    page.route("**/ingest.mjs", lambda route: route.fulfill(path=MODULE, content_type="text/javascript"))
    seen = page.evaluate(SENT_AND_READ)
    assert seen["told"] == [seen["size"], seen["size"]]
    assert (seen["last"], seen["words"], seen["refused"]) == ("completed", 200_000, "not_found")
