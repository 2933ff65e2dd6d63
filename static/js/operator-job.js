// The operator's page of one job: how it stands, all that happened to it, what is known of its file, and what can be done.

import { getJson } from "./api.js";
import { attribute, copy, make, set } from "./dom.js";
import { actions } from "./operator-actions.js";
import { canCancel, canRetry, happened, stateOf } from "./operator-jobs.js";
import { alarm, find, keyed, pairs, serverNow } from "./operator-parts.js";
import { lasting, moment } from "./operator-words.js";
import { bytes, plural, seconds } from "./words.js";

const ASK_EVERY = 2000;
const jobId = find("job").dataset.jobId;
const complain = (refused) => alarm(find("alarm"), refused);
let known = null;
let isGone = false;
let isAsking = false;

const { ask } = actions(find("ask"), (words) => {
  set(find("live"), "textContent", words);
  refresh();
});

/** How an attempt ended, as a sentence's end. */
const OUTCOMES = { completed: "read it to the end", restored: "read it to the end, as its stored result tells: the record was lost", given_back: "was given back: its worker was told to stop", worker_lost: "was lost: its worker died or froze", cancelled: "was stopped: somebody cancelled the job" };

/** The history as entries, oldest first: what, when, by whom, for how long. */
function events({ job, history, claim, dueAt }, now) {
  const entries = [{ key: "accepted", at: job.timestamps.createdAt, what: "Accepted", aside: `priority ${job.priority} now` }];
  let run = 1;
  for (const [index, attempt] of history.entries()) {
    if (attempt.run !== run) {
      run = attempt.run;
      entries.push({ key: `run ${run}`, at: null, what: `Run ${run}: somebody asked for a retry`, aside: "" });
    }
    const state = attempt.outcome === "completed" || attempt.outcome === "restored" ? "completed" : attempt.outcome === "given_back" || attempt.outcome === "cancelled" ? "cancelled" : "failed";
    const why = OUTCOMES[attempt.outcome] ?? "failed";
    entries.push({
      key: `attempt ${index}`, at: attempt.startedAt, state, what: `Attempt ${attempt.attempt} ${why}`, code: attempt.outcome in OUTCOMES ? "" : attempt.outcome,
      aside: [attempt.worker, `took ${lasting(attempt.seconds)}`, `ended ${moment(attempt.endedAt, now)}`].filter(Boolean).join(" · "),
    });
  }
  if (claim) entries.push({ key: "claim", at: claim.since, state: "processing", what: `Attempt ${job.attempt} is being read, ${job.progress?.percentage ?? 0} %`, aside: `${claim.worker} · for ${seconds((now - Date.parse(claim.since)) / 1000)}` });
  if (job.status === "retrying") entries.push({ key: "due", at: dueAt ?? job.nextRetryAt, state: "retrying", what: "The next attempt is due", aside: happened({ ...job, error: null }, now)[0] });
  if (stateOf(job) === "cancelled" && history.at(-1)?.outcome !== "cancelled") entries.push({ key: "end", at: job.timestamps.completedAt, state: "cancelled", what: "Cancelled while it waited", aside: "" });
  if (job.status === "pending") entries.push({ key: "waits", at: null, state: "pending", what: happened(job, now)[0], aside: "" });
  return entries;
}

function drawHistory(document, now) {
  keyed(find("history"), events(document, now), ({ key }) => key,
    () => make("li", {}, make("p", {}, make("strong"), " ", make("code")), make("p", { className: "fine" }, make("time"), make("span"))),
    (entry, { at, what, code = "", aside, state = "" }) => {
      const [first, second] = entry.children;
      attribute(entry, "data-state", state || null);
      set(first.firstElementChild, "textContent", what);
      set(first.lastElementChild, "textContent", code);
      set(second.firstElementChild, "textContent", at ? moment(at, now) : "");
      attribute(second.firstElementChild, "datetime", at);
      set(second.lastElementChild, "textContent", [at && aside && " · ", aside].filter(Boolean).join(""));
    });
}

function drawFacts({ job, sha256, giveBacks }, now) {
  const result = job.result ?? {};
  pairs(find("facts"), [
    ["Size", bytes(job.file.size), `${job.file.size.toLocaleString("en")} bytes`],
    ["Type", job.file.type],
    ["Priority", job.priority],
    ["User", job.userId ?? "–"],
    ["Accepted", moment(job.timestamps.createdAt, now)],
    ["Ended", moment(job.timestamps.completedAt, now)],
    ["Attempt", `${job.attempt} of ${job.maxAttempts}`, [job.losses && plural(job.losses, "lost worker"), giveBacks && `given back ${plural(giveBacks, "time")}`].filter(Boolean).join(", ")],
    ...(job.result ? [["Read", `${plural(result.pages, "page")}, ${plural(result.words, "word")}`, [`in ${lasting(result.durationMs / 1000)}`, result.engine].filter(Boolean).join(" by ")]] : []),
  ]);
  set(find("sha256"), "textContent", sha256 ?? result.sha256 ?? "–");
}

function draw(document) {
  const now = serverNow();
  const { job } = document;
  const state = stateOf(job);
  set(find("state"), "textContent", state);
  attribute(find("state"), "data-state", state);
  set(find("name"), "textContent", job.file.name);
  set(window.document, "title", `${state}: ${job.file.name} · Operator`);
  const [words, aside] = happened(job, now);
  set(find("happened"), "textContent", [words, aside].filter(Boolean).join(" · "));
  const trouble = job.error && state !== "cancelled" ? job.error.suggestion ?? "" : "";
  set(find("suggestion"), "textContent", trouble);
  keyed(find("warnings"), job.result?.warnings ?? [], ({ code }) => code, () => make("li"), (entry, { message }) => set(entry, "textContent", message));
  const trace = job.error?.stackTrace ?? job.stackTrace ?? "";
  set(find("trace-part"), "hidden", !trace);
  set(find("trace"), "textContent", trace);
  set(find("result"), "hidden", job.status !== "completed");
  set(find("retry"), "hidden", !canRetry(job));
  set(find("cancel"), "hidden", !canCancel(job));
  set(find("priority"), "hidden", !["pending", "retrying"].includes(job.status));
  drawHistory(document, now);
  drawFacts(document, now);
  set(find("job"), "hidden", false);
}

async function refresh() {
  if (isAsking) return;
  isAsking = true;
  try {
    known = await getJson(`/api/admin/jobs/${jobId}`);
    draw(known);
    complain(null);
  } catch (refused) {
    isGone = refused.status === 404;
    complain(refused);
    if (isGone && known) showGone();
  } finally {
    isAsking = false;
  }
}

/** A job that was deleted leaves what was known of it, and nothing to press. */
function showGone() {
  set(find("state"), "textContent", "deleted");
  attribute(find("state"), "data-state", "cancelled");
  set(find("acts"), "hidden", true);
}

for (const action of ["retry", "cancel", "priority", "delete"]) {
  find(action).onclick = () => ask({ action, jobIds: [jobId] }, known?.job.file.name);
}
find("copy").onclick = async () => {
  await copy(find("sha256").textContent).then(() => set(find("live"), "textContent", "Copied"), complain);
};
setInterval(() => {
  const isOver = isGone || ["completed", "failed"].includes(known?.job.status);
  if (!document.hidden && !isOver) refresh();
}, ASK_EVERY);
document.addEventListener("visibilitychange", () => document.hidden || isGone || refresh());
refresh();
