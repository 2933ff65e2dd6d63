// The operator page: asks for the numbers every two seconds while somebody looks, and hands them to the parts of the page.

import { getJson, post } from "./api.js";
import { set } from "./dom.js";
import { jobsTable } from "./operator-jobs.js";
import { drawNumbers, drawPriorities, drawSystem, drawWorkers } from "./operator-queue.js";
import { plural } from "./words.js";

const EVERY = 2000;
const find = (id) => document.getElementById(id);
let held = false;
let asking = false;

function alarm(refused) {
  if (refused?.status === 401) location.assign("/admin/login");
  const error = refused?.error;
  set(find("alarm"), "hidden", !refused);
  set(find("alarm"), "textContent", refused ? [error?.message ?? String(refused), error?.suggestion].filter(Boolean).join(" ") : "");
}

/** Does what a button asks for, says how it went, and looks again. */
async function act(words, ask) {
  try {
    await ask();
    set(find("live"), "textContent", words);
    await refresh();
  } catch (refused) {
    alarm(refused);
  }
}

const jobs = jobsTable({ form: find("filter"), body: find("jobs"), more: find("more"), act, alarm });

function draw(statistics) {
  const now = Date.now();
  drawNumbers(find("numbers"), statistics);
  drawPriorities(find("priorities"), statistics.priorities ?? {}, (action, priority) =>
    act(`${priority}: ${action}d`, () => post("/api/admin/queue", { action, priority })));
  drawWorkers(find("workers"), statistics.workers ?? [], now);
  drawSystem(find("system"), statistics, now);
  set(find("freshness"), "textContent", `As of ${new Date(now).toLocaleTimeString()}`);
}

async function refresh() {
  if (asking) return;
  asking = true;
  try {
    const [statistics] = await Promise.all([getJson("/api/admin/queue"), jobs.refresh()]);
    draw(statistics);
    alarm(null);
  } catch (refused) {
    alarm(refused);
  } finally {
    asking = false;
  }
}

find("hold").onclick = ({ currentTarget }) => {
  held = !held;
  currentTarget.setAttribute("aria-pressed", held);
  currentTarget.textContent = held ? "Resume updates" : "Pause updates";
  if (!held) refresh();
};

// Cleaning up shows first what it would take; a changed number asks anew.
const cleanup = find("cleanup");
const go = find("cleanup-go");
const days = () => cleanup.elements.daysOld.valueAsNumber;
const older = () => `ended more than ${plural(days(), "day")} ago`;

function saidOfCleanup(text) {
  go.hidden = true;
  find("cleanup-said").textContent = text;
}

cleanup.oninput = () => saidOfCleanup("");
cleanup.onsubmit = async (event) => {
  event.preventDefault();
  try {
    const { affected } = await post("/api/admin/queue", { action: "cleanup", daysOld: days(), dryRun: true });
    saidOfCleanup(affected ? `${plural(affected, "job")} ${older()} would be removed, with results.` : `No job ${older()}.`);
    go.hidden = !affected;
    go.textContent = `Remove ${plural(affected, "job")}`;
  } catch (refused) {
    saidOfCleanup(`${refused.error.message} ${refused.error.suggestion}`);
  }
};
go.onclick = () => act("Cleaned up", async () => {
  const { affected } = await post("/api/admin/queue", { action: "cleanup", daysOld: days() });
  saidOfCleanup(`${plural(affected, "job")} removed.`);
});

document.addEventListener("visibilitychange", () => document.hidden || held || refresh());
setInterval(() => document.hidden || held || refresh(), EVERY);
refresh();
