// The numbers of the operator page: counts, priorities, workers, system.

import { attribute, button, make, set } from "./dom.js";
import { bytes, clock, seconds } from "./words.js";

export const ORDER = ["urgent", "high", "medium", "low"];

/**
 * Keeps one element per key in `place`, in the order of `things`, so that a refresh neither moves the focus nor loses a selection.
 * `create(thing)` gives an element; `update(element, thing)` fills it.
 */
export function keyed(place, things, keyOf, create, update) {
  const had = new Map([...place.children].map((element) => [element.dataset.key, element]));
  let last = null;
  for (const thing of things) {
    const key = String(keyOf(thing));
    const element = had.get(key) ?? create(thing);
    had.delete(key);
    element.dataset.key = key;
    update(element, thing);
    const wanted = last ? last.nextElementSibling : place.firstElementChild;
    if (wanted !== element) place.insertBefore(element, wanted);
    last = element;
  }
  for (const element of had.values()) element.remove();
}

/** Rows of a table: `cells(thing)` gives their texts. */
export function cellsInto(row, texts) {
  texts.forEach((text, index) => set(row.cells[index], "textContent", text));
}

export const rowOf = (columns) => make("tr", {}, ...Array.from({ length: columns }, () => make("td")));

const figure = (value, digits = 1) => (Number.isFinite(value) ? value.toLocaleString("en", { maximumFractionDigits: digits }) : "–");
const short = (value) => (Number.isFinite(value) ? (value < 1 ? `${Math.round(value * 1000)} ms` : `${figure(value)} s`) : "–");
const ago = (iso, now) => (iso ? `${seconds((now - Date.parse(iso)) / 1000)} ago` : "never");

function pairs(place, entries) {
  keyed(place, entries, ([name]) => name,
    ([name]) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, make("span"), make("small"))),
    (element, [, value, aside = ""]) => {
      const [main, small] = element.lastElementChild.children;
      set(main, "textContent", value);
      set(small, "textContent", aside ? ` ${aside}` : "");
    });
}

export function drawNumbers(place, statistics) {
  const { queue = {}, performance = {}, workers = [] } = statistics;
  const count = (name) => statistics[name] ?? queue[name];
  pairs(place, [
    ["waiting", figure(queue.pendingJobs, 0)],
    ["being read", figure(count("processingJobs"), 0)],
    ["retrying", figure(count("retryingJobs"), 0)],
    ["done", figure(queue.completedJobs, 0)],
    ["failed", figure(queue.failedJobs, 0), count("cancelledJobs") ? `${figure(count("cancelledJobs"), 0)} of them cancelled` : ""],
    ["jobs a minute", figure(performance.jobsPerMinute)],
    ["failing", Number.isFinite(performance.errorRate) ? `${figure(performance.errorRate * 100)} %` : "–"],
    ["reading takes", short(performance.runSeconds?.p50), `95 %: ${short(performance.runSeconds?.p95)}`],
    ["workers", figure(workers.length, 0), `${figure(workers.filter(({ jobId }) => jobId).length, 0)} at work`],
    ["waiting takes", short(performance.waitSeconds?.p50), `95 %: ${short(performance.waitSeconds?.p95)}`],
  ]);
}

export function drawPriorities(place, priorities, act) {
  keyed(place, ORDER.filter((name) => priorities[name]), String,
    (name) => {
      const row = rowOf(5);
      row.cells[1].className = row.cells[2].className = "n";
      row.cells[4].append(make("div", { className: "acts" }, button("Pause", name, () => act(row.dataset.action, name))));
      return row;
    },
    (row, name) => {
      const { depth, oldestWaitSeconds, paused } = priorities[name];
      cellsInto(row, [name, figure(depth, 0), depth && Number.isFinite(oldestWaitSeconds) ? seconds(oldestWaitSeconds) : "–", paused ? "paused" : "open"]);
      attribute(row.cells[3], "data-state", paused ? "paused" : "open");
      attribute(row, "data-action", paused ? "resume" : "pause");
      const control = row.querySelector("button");
      set(control, "textContent", paused ? "Resume" : "Pause");
      attribute(control, "aria-label", `${control.textContent}: ${name}`);
    });
}

export function drawWorkers(place, workers, now) {
  const shown = workers.length ? workers : [{ name: "No worker is running" }];
  keyed(place, shown, ({ name }) => name,
    () => {
      const row = rowOf(6);
      row.cells[3].append(make("a"));
      return row;
    },
    (row, { name, host, pid, state, priorities, jobId, startedAt, lastSeenAt, version }) => {
      const serves = !priorities ? "" : priorities.length === ORDER.length ? "all" : priorities.join(", ");
      const detail = host ? ` ${host}, process ${pid}${version ? `, ${version}` : ""}` : "";
      if (row.cells[0].textContent !== name + detail) row.cells[0].replaceChildren(name, make("small", { textContent: detail }));
      set(row.cells[1], "textContent", state ?? "");
      set(row.cells[2], "textContent", serves);
      const link = row.cells[3].firstElementChild;
      set(link, "textContent", jobId ? `…${jobId.slice(-6)}` : "");
      attribute(link, "href", jobId ? `/jobs/${jobId}` : null);
      set(row.cells[4], "textContent", startedAt ? seconds((now - Date.parse(startedAt)) / 1000) : "");
      set(row.cells[5], "textContent", lastSeenAt ? ago(lastSeenAt, now) : "");
    });
}

function batchWords(result) {
  if (result == null) return "";
  if (typeof result !== "object") return String(result);
  return Object.entries(result).filter(([, value]) => typeof value !== "object").map(([name, value]) => `${name} ${value}`).join(", ");
}

export function drawSystem(place, { system = {}, batch = {}, queue = {} }, now) {
  const { memory, redis, storage } = system;
  const room = redis?.maxBytes ? ` of ${bytes(redis.maxBytes)}` : "";
  const evicts = redis?.evictionPolicy && redis.evictionPolicy !== "noeviction";
  pairs(place, [
    ["Redis", redis ? `${bytes(redis.usedBytes ?? 0)}${room}` : "–", evicts ? `policy ${redis.evictionPolicy}: jobs may vanish, set noeviction` : redis?.evictionPolicy],
    ["Storage", storage?.kind ?? "–", Number.isFinite(storage?.freeBytes) ? `${bytes(storage.freeBytes)} free` : ""],
    ["Memory of this web process", memory?.rssBytes ? bytes(memory.rssBytes) : "–"],
    ["Minute batch", `last ${ago(batch.lastRunAt, now)}`, [batch.lockHeld && "running now", batchWords(batch.lastResult)].filter(Boolean).join(" · ")],
    ["Last job ended", queue.lastProcessedAt ? `${clock(queue.lastProcessedAt)}` : "–", queue.lastProcessedAt ? ago(queue.lastProcessedAt, now) : ""],
  ]);
}
