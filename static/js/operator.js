// The operator page: news of the queue, by events or by asking, handed to the parts of the page; every act goes through its dialog.

import { getJson } from "./api.js";
import { attribute, set } from "./dom.js";
import { actions } from "./operator-actions.js";
import { charts } from "./operator-charts.js";
import { jobsTable } from "./operator-jobs.js";
import { liveNews } from "./operator-live.js";
import { alarm, find, serverNow } from "./operator-parts.js";
import { drawFailures, drawNumbers, drawPriorities, drawWarnings, drawWorkers } from "./operator-queue.js";
import { drawAudit, drawSchedule, drawSystem } from "./operator-system.js";
import { clock, seconds } from "./words.js";

const JOBS_EVERY = 2000;
const AUDIT_MOST = 200;
const SLOW_EVERY = { audit: 30_000, history: 15_000 };

let auditLimit = 10;
let statistics = {};
let statisticsAt = 0;
let jobsAt = 0;
const slowAt = { audit: 0, history: 0 };
const isHeld = () => find("hold").getAttribute("aria-pressed") === "true";
const say = (words) => set(find("live"), "textContent", words);
const complain = (refused) => alarm(find("alarm"), refused);

const { ask } = actions(find("ask"), (words) => {
  say(words);
  news.now();
  jobs.refresh().catch(complain); // also while updates are held
  lookSlowly("audit");
});

const jobs = jobsTable({
  form: find("filter"),
  table: find("jobs"),
  more: find("more"),
  bulk: find("bulk"),
  ask,
  alarm: complain,
  now: serverNow,
  onFilter: (filter) => drawFailures(find("failures"), statistics.failures ?? [], filter.code, chooseCode),
});

function chooseCode(code) {
  const isChosen = jobs.filter().code === code;
  jobs.only(isChosen ? {} : { status: "failed", code });
}

/** The codes that there are can be chosen in the filter too. */
function offerCodes(failures) {
  const list = find("filter").elements.code;
  const known = [...list.options].map(({ value }) => value);
  for (const { code } of failures) if (!known.includes(code)) list.add(new Option(code));
}

function draw() {
  const now = serverNow();
  const failures = statistics.failures ?? [];
  attribute(document.body, "data-read-only", statistics.readOnly ? "" : null);
  set(find("read-only"), "hidden", !statistics.readOnly);
  drawNumbers(find("numbers"), statistics);
  drawWarnings(find("warnings"), statistics);
  drawPriorities(find("priorities"), statistics.priorities ?? {}, ask);
  drawWorkers(find("workers"), statistics.workers ?? [], now);
  drawFailures(find("failures"), failures, jobs.filter().code, chooseCode);
  offerCodes(failures);
  drawSchedule(find("batch"), find("runs"), statistics, now);
  drawSystem(find("system"), statistics, now);
}

function take(numbers) {
  statistics = numbers;
  statisticsAt = Date.now();
  complain(null);
  draw();
  sayFreshness();
  if (isHeld()) return;
  // Progress within a job is no news of the list, so it is looked at now and then all the same.
  if (Date.now() - jobsAt > 2 * JOBS_EVERY) lookAtJobs();
  for (const name of Object.keys(slowAt)) if (Date.now() - slowAt[name] > SLOW_EVERY[name]) lookSlowly(name);
}

let waitsToLook = null;
/** At most every two seconds, however much happens, and not while a list is read that takes longer: it would never be shown. */
function lookAtJobs() {
  waitsToLook ??= setTimeout(async () => {
    waitsToLook = null;
    if (isHeld()) return;
    jobsAt = Date.now();
    if (jobs.isReading()) {
      lookAtJobs();
      return;
    }
    await jobs.refresh().catch(complain);
    jobsAt = Date.now();
  }, Math.max(0, jobsAt + JOBS_EVERY - Date.now()));
}

const pace = charts(find("charts"));
const hours = () => Number(find("window").elements.hours.value);
const slowly = {
  async history() {
    const wanted = hours();
    const history = await getJson(`/api/admin/history?hours=${wanted}`);
    if (wanted === hours()) pace.draw(history, sumsOf(history));
  },
  async audit() {
    const { entries, nextCursor } = await getJson(`/api/admin/audit?limit=${auditLimit}`);
    drawAudit(find("audit"), entries, serverNow());
    set(find("audit-more"), "hidden", !nextCursor || auditLimit >= AUDIT_MOST);
  },
};

/** What the queue says of the same hours; of the counts, the sum of the bars where it says nothing. */
function sumsOf({ points, hours: asked }) {
  const sum = (name) => points.reduce((total, point) => total + (point[name] ?? 0), 0);
  return { completed: sum("completed"), failed: sum("failed"), cancelled: sum("cancelled"), ...statistics.performance?.windows?.[`${asked}h`] };
}

async function lookSlowly(name) {
  slowAt[name] = Date.now();
  try {
    await slowly[name]();
    set(find(`${name}-part`), "hidden", false);
  } catch (refused) {
    if (refused.status === 404) set(find(`${name}-part`), "hidden", true);
    else complain(refused);
  }
}

async function refresh() {
  try {
    take(await getJson("/api/admin/queue"));
    jobsAt = Date.now();
    if (!isHeld() && !jobs.isReading()) await jobs.refresh();
  } catch (refused) {
    complain(refused);
  }
}

const news = liveNews("/api/admin/events", { statistics: take, jobs: lookAtJobs }, refresh);

find("hold").onclick = () => {
  attribute(find("hold"), "aria-pressed", !isHeld());
  news.hold(isHeld());
};
find("audit-more").onclick = () => {
  auditLimit = Math.min(AUDIT_MOST, auditLimit + 50);
  lookSlowly("audit");
};
find("window").onchange = () => lookSlowly("history");
find("cleanup").onsubmit = (event) => {
  event.preventDefault();
  ask({ action: "cleanup", daysOld: event.currentTarget.elements.daysOld.valueAsNumber });
};

/** How old the numbers are, and how they come. */
function sayFreshness() {
  if (!statisticsAt) return;
  const way = news.way();
  attribute(find("freshness"), "data-way", way);
  const age = Math.round((Date.now() - statisticsAt) / 1000);
  const updated = age < 1 ? "Updated just now" : `Updated ${seconds(age)} ago`;
  const words = { events: updated, asking: `${updated}, asking every 3 s`, held: `Updates are paused, as of ${clock(new Date(statisticsAt))}` };
  set(find("freshness"), "textContent", words[way]);
  if (way !== "held") drawWorkers(find("workers"), statistics.workers ?? [], serverNow());
}
setInterval(sayFreshness, 1000);
