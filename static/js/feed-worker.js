// The worker that all tabs of this browser share: it holds the event streams, so that many tabs cost no more connections than one.
//
// A tab says which jobs it watches, all of them each time and every now and then, so that a lost message or a tab that
// died is made good. Everything that is heard goes to every tab: one of them may have retried a job that another shows as ended.

import { News } from "./stream.js";

/** A tab in the background speaks once a minute; one that was silent for so long is gone. */
const GONE_AFTER = 150_000;
/** A tab gets its news in one message per so many milliseconds, of each job the latest. */
const GATHER = 50;

const tabs = new Map(); // port → { jobs, heardAt }
const latest = new Map(); // job id → what was told of it last
const gathered = new Map();
let sentAt = -Infinity;
let timer = null;

const news = new News({
  onDocument: (document) => tell(document.jobId, { document }),
  onWaiting: (waiting) => tell(`${waiting.jobId} waits`, { waiting }),
  onGone: (jobId) => tell(jobId, { gone: jobId }),
});

function tell(about, message) {
  if (message.document) latest.set(about, message);
  gathered.delete(about); // the order is that of the latest news
  gathered.set(about, message);
  timer ??= setTimeout(send, Math.max(0, GATHER - (performance.now() - sentAt)));
}

function send() {
  timer = null;
  sentAt = performance.now();
  const all = [...gathered.values()];
  gathered.clear();
  for (const port of tabs.keys()) port.postMessage(all);
}

function watch(port, jobs) {
  const before = tabs.get(port)?.jobs ?? new Set();
  const now = new Set(jobs);
  tabs.set(port, { jobs: now, heardAt: Date.now() });
  const known = [...now].filter((id) => !before.has(id) && latest.has(id)).map((id) => latest.get(id));
  port.postMessage(known); // also empty: a sign of life
  now.forEach((id) => before.has(id) || news.watch(id));
  before.forEach((id) => now.has(id) || release(id));
}

function release(jobId) {
  if ([...tabs.values()].some(({ jobs }) => jobs.has(jobId))) return;
  latest.delete(jobId);
  news.drop(jobId);
}

function leave(port) {
  const { jobs } = tabs.get(port) ?? { jobs: [] };
  tabs.delete(port);
  jobs.forEach(release);
}

setInterval(() => {
  for (const [port, { heardAt }] of tabs) if (Date.now() - heardAt > GONE_AFTER) leave(port);
}, 30_000);

addEventListener("connect", ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.bye) return leave(port);
    watch(port, data.jobs);
    if (data.wake) news.wake();
  };
});
