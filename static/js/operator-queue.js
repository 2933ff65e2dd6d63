// The queue at a glance: counts, what is wrong and what to do, priorities, workers, failures by code.

import { attribute, button, label, make, set } from "./dom.js";
import { jobLink, keyed, ORDER, pairs, rowOf } from "./operator-parts.js";
import { ago, figure } from "./operator-words.js";
import { bytes, plural, seconds } from "./words.js";

/** A worker gives a sign of life every five seconds; one that is gone is shown for half a minute more. */
const SILENT_AFTER = 12_000;

export function drawNumbers(place, { queue = {}, performance = {}, workers = [] }) {
  const cancelled = queue.cancelledJobs ?? 0;
  const atWork = workers.filter(({ jobId }) => jobId).length;
  pairs(place, [
    ["waiting", figure(queue.pendingJobs, 0)],
    ["being read", figure(queue.processingJobs, 0)],
    ["retrying", figure(queue.retryingJobs, 0)],
    ["done", figure(queue.completedJobs, 0), `${figure(performance.jobsPerMinute)} in the last minute`],
    ["failed", figure((queue.failedJobs ?? 0) - cancelled, 0), cancelled ? `and ${figure(cancelled, 0)} cancelled` : ""],
    ["workers", figure(workers.length, 0), `${figure(atWork, 0)} at work`],
  ]);
}

/** What is wrong with the ground that all of it stands on; also when nobody is there to work. */
export function drawWarnings(place, { system = {}, queue = {}, workers = [] }) {
  const warnings = [...(system.warnings ?? [])];
  if (!workers.length && queue.pendingJobs) {
    warnings.push({ code: "no_worker", message: `${plural(queue.pendingJobs, "job waits", "jobs wait")} and no worker is running.`, suggestion: "Start a worker, or look into the log of the one that ended." });
  }
  set(place, "hidden", !warnings.length);
  keyed(place, warnings, ({ code }) => code, () => make("li", {}, make("strong"), " ", make("span")), (entry, { message, suggestion }) => {
    set(entry.firstElementChild, "textContent", message);
    set(entry.lastElementChild, "textContent", suggestion ?? "");
  });
}

export function drawPriorities(place, priorities, ask) {
  keyed(place, ORDER.filter((name) => priorities[name]), String,
    (name) => {
      const row = rowOf(5);
      row.cells[0].replaceWith(make("th", { scope: "row", textContent: name }));
      row.cells[1].className = row.cells[2].className = "n";
      row.cells[4].className = "acting";
      row.cells[4].append(make("div", { className: "acts" }, button("Pause", name, () => ask({ action: row.dataset.action, priority: name }))));
      return row;
    },
    (row, name) => {
      const { depth, oldestWaitSeconds, paused } = priorities[name];
      set(row.cells[1], "textContent", figure(depth, 0));
      set(row.cells[2], "textContent", depth && Number.isFinite(oldestWaitSeconds) ? seconds(oldestWaitSeconds) : "–");
      set(row.cells[3], "textContent", paused ? "paused" : "open");
      attribute(row.cells[3], "data-state", paused ? "paused" : "open");
      attribute(row, "data-action", paused ? "resume" : "pause");
      const control = row.querySelector("button");
      label(control, paused ? "Resume" : "Pause", name);
    });
}

export function drawWorkers(place, workers, now) {
  const shown = workers.length ? workers : [null];
  keyed(place, shown, (worker) => worker?.name ?? "none", (worker) => (worker ? workerRow() : nobody()), (row, worker) => worker && fillWorker(row, worker, now));
}

const nobody = () => make("tr", {}, make("td", { colSpan: 6, className: "none", textContent: "No worker is running." }));

function workerRow() {
  const row = rowOf(6);
  row.cells[0].append(make("span"), make("small"));
  row.cells[1].append(make("span", { className: "mark" }));
  row.cells[2].append(jobLink("", ""), make("small"));
  row.cells[3].className = "n";
  return row;
}

function fillWorker(row, { name, host, pid, state, priorities = [], jobId, job, memoryBytes, startedAt, lastSeenAt, version }, now) {
  const serves = priorities.length === ORDER.length ? "all priorities" : priorities.join(", ");
  const [who, small] = row.cells[0].children;
  set(who, "textContent", name);
  set(small, "textContent", [`${host}, process ${pid}`, version, serves].filter(Boolean).join(" · "));
  const current = job?.jobId ?? jobId;
  // Its own word for its state may be seconds old; its claim is not.
  const shown = now - Date.parse(lastSeenAt) > SILENT_AFTER ? "silent" : current ? "busy" : state;
  set(row.cells[1].firstElementChild, "textContent", shown);
  attribute(row.cells[1].firstElementChild, "data-state", shown);
  const [link, since] = row.cells[2].children;
  set(link, "hidden", !current);
  attribute(link, "href", current ? `/admin/jobs/${current}` : null);
  set(link.firstElementChild, "textContent", job?.name ?? (current ? `…${current.slice(-6)}` : ""));
  set(since, "textContent", job?.since ? `for ${seconds((now - Date.parse(job.since)) / 1000)}` : "");
  set(row.cells[3], "textContent", Number.isFinite(memoryBytes) ? bytes(memoryBytes) : "–");
  set(row.cells[4], "textContent", startedAt ? seconds((now - Date.parse(startedAt)) / 1000) : "–");
  set(row.cells[5], "textContent", ago(lastSeenAt, now));
}

/** Failed jobs by code, the most frequent first; a press filters the list by it. */
export function drawFailures(place, failures, chosen, choose) {
  const shown = failures.filter(({ count }) => count > 0).sort((one, other) => other.count - one.count || one.code.localeCompare(other.code));
  set(place.parentElement, "hidden", !shown.length);
  keyed(place, shown, ({ code }) => code,
    ({ code }) => make("li", {}, make("button", { type: "button", className: "chip", onclick: () => choose(code) }, make("span", { textContent: code }), " ", make("b"))),
    (entry, { code, count }) => {
      set(entry.querySelector("b"), "textContent", figure(count, 0));
      attribute(entry.firstElementChild, "aria-pressed", code === chosen);
    });
}
