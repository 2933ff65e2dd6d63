// The jobs of the operator page: a filtered list with what happened to each, and its buttons.

import { getJson, post, remove } from "./api.js";
import { attribute, button, make, set } from "./dom.js";
import { keyed, rowOf } from "./operator-queue.js";
import { bytes, clock, plural, resultWords, stepWords, waitingWords } from "./words.js";

const PAGE = 50;
const MOST = 200;

function happened(job, now) {
  if (job.error) return [job.error.message, `${job.error.code}${job.attempt > 1 ? `, ${plural(job.attempt, "attempt")}` : ""}${job.losses ? `, ${plural(job.losses, "lost worker", "lost workers")}` : ""}`];
  if (job.status === "processing") return [stepWords(job.progress ?? {}), `${job.progress?.percentage ?? 0} %`];
  if (job.status === "completed") return [resultWords(job.result ?? {}), ""];
  return [waitingWords(job, now), ""];
}

/** A button that wants to be pressed twice, the second time within four seconds. */
function twice(control, word, act) {
  let timer = null;
  const calm = () => {
    timer = null;
    control.textContent = word;
  };
  control.onclick = () => {
    if (!timer) {
      control.textContent = "Sure?";
      timer = setTimeout(calm, 4000);
      return;
    }
    clearTimeout(timer);
    calm();
    act();
  };
}

function rowFor(job, act) {
  const { jobId, file } = job;
  const row = rowOf(5);
  row.cells[0].append(make("a", { href: `/jobs/${jobId}` }, make("bdi")), make("small"));
  row.cells[2].append(make("span"), make("small"));
  row.cells[3].append(make("span"), make("small"));
  const retry = button("Retry", file.name, () => act("Retried", () => post(`/api/ingest/retry/${jobId}`)));
  const cancel = button("Cancel", file.name, () => act("Cancelled", () => post(`/api/ingest/cancel/${jobId}`)));
  const erase = button("Delete", file.name, null);
  twice(erase, "Delete", () => act("Deleted", () => remove(`/api/ingest/jobs/${jobId}`)));
  row.cells[4].append(make("div", { className: "acts" }, retry, cancel, erase));
  return row;
}

function fill(row, job) {
  const [file, status, what, created, actions] = row.cells;
  const [main, aside] = happened(job, Date.now());
  set(file.querySelector("bdi"), "textContent", job.file.name);
  set(file.lastElementChild, "textContent", [bytes(job.file.size), job.priority, job.userId].filter(Boolean).join(" · "));
  set(status, "textContent", job.error?.code === "cancelled" ? "cancelled" : job.status);
  attribute(status, "data-state", job.error?.code === "cancelled" ? "cancelled" : job.status);
  set(what.firstElementChild, "textContent", main);
  set(what.lastElementChild, "textContent", aside);
  set(created.firstElementChild, "textContent", clock(job.timestamps.createdAt));
  set(created.lastElementChild, "textContent", job.timestamps.createdAt.slice(0, 10));
  const [retry, cancel] = actions.firstElementChild.children;
  set(retry, "hidden", !["failed", "retrying"].includes(job.status));
  set(cancel, "hidden", !["pending", "processing", "retrying"].includes(job.status));
}

export function jobsTable({ form, body, more, act, alarm }) {
  let limit = PAGE;
  let latest = 0;

  function path() {
    const query = new URLSearchParams({ limit });
    for (const [name, value] of new FormData(form)) if (value.trim()) query.set(name, value.trim());
    return `/api/ingest/jobs?${query}`;
  }

  async function refresh() {
    const mine = ++latest;
    const { jobs, nextCursor } = await getJson(path());
    // A filter changed meanwhile: the later answer stands.
    if (mine !== latest) return;
    keyed(body, jobs.length ? jobs : [null], (job) => job?.jobId ?? "none",
      (job) => (job ? rowFor(job, act) : make("tr", {}, make("td", { colSpan: 5, textContent: "No jobs here." }))),
      (row, job) => job && fill(row, job));
    more.hidden = !nextCursor || limit >= MOST;
  }

  function anew() {
    limit = PAGE;
    refresh().catch(alarm);
  }

  form.onsubmit = (event) => event.preventDefault();
  form.oninput = anew;
  more.onclick = () => {
    limit = Math.min(MOST, limit + PAGE);
    refresh().catch(alarm);
  };
  return { refresh };
}
