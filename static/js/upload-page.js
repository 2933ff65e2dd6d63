// The upload page: wires files, uploads, news and rows together, and holds the list.

import { actionsWith } from "./actions.js";
import { announcer, overallWords } from "./announce.js";
import { framed, set } from "./dom.js";
import { Feed } from "./feed.js";
import { listen, objection } from "./intake.js";
import { Item } from "./item.js";
import { forget, onOtherTab, recall, remember } from "./memory.js";
import { Row } from "./row.js";
import { Uploads } from "./uploads.js";

const find = (id) => document.getElementById(id);
const form = find("intake");
const limits = { maxBytes: Number(form.dataset.maxBytes), accept: form.dataset.accept.split(" ").filter(Boolean) };
const say = announcer(find("live"));
const rows = new Map(); // item → its row
const byJob = new Map(); // job id → item
const spoken = new Map(); // item → the status last announced
const items = () => [...rows.keys()];

const touch = framed((batch) => {
  const now = Date.now();
  for (const item of batch) rows.get(item)?.render(now);
  drawOverall();
});

const uploads = new Uploads({ onChange: touch, onAccepted: accepted, onFailed: changed });
const feed = new Feed({
  onDocument: (jobId, document) => withItem(jobId, (item) => item.take(document, Date.now()) && changed(item)),
  onWaiting: (jobId, waiting) => withItem(jobId, (item) => item.takeWaiting(waiting) && touch(item)),
  onGone: (jobId) => withItem(jobId, (item) => (item.gone(), changed(item)), () => feed.drop(jobId)),
});
const actions = actionsWith({ uploads, changed, removed });

function withItem(jobId, use, otherwise) {
  const item = byJob.get(jobId);
  if (item) use(item);
  else otherwise?.();
}

/** After any news of an item: who watches it, what is said aloud, what is drawn. */
function changed(item) {
  if (item.jobId) item.isLive ? feed.watch(item.jobId) : feed.drop(item.jobId);
  const status = item.status;
  if (spoken.get(item) !== status) {
    // What a reload finds is no news.
    if (spoken.has(item) && status === "completed") say("done", item.name);
    if (spoken.has(item) && item.hasFailed) say("failed", item.name);
    spoken.set(item, status);
  }
  touch(item);
}

function accepted(item) {
  byJob.set(item.jobId, item);
  remember(item);
  changed(item);
  if (item.cancelling) actions.cancel(item);
}

function show(item, { first = true } = {}) {
  const row = new Row(item, actions);
  rows.set(item, row);
  find("rows")[first ? "prepend" : "append"](row.element);
  touch(item);
}

function take(files) {
  const { priority, userId } = form.elements;
  const chosen = files.map((file) => new Item({ file, name: file.name, size: file.size, priority: priority.value, userId: userId.value.trim() }));
  // The first of the batch stands on top, and is sent first.
  for (const item of [...chosen].reverse()) {
    spoken.set(item, item.status);
    show(item);
  }
  for (const item of chosen) {
    const error = objection(item.file, limits);
    if (error) {
      item.failedToSend(error, { final: true });
      changed(item);
    } else {
      say("started", item.name);
      uploads.add(item);
    }
  }
}

function removed(gone) {
  const rest = gone.length === 1 ? rows.get(gone[0])?.element : null;
  const next = (rest?.nextElementSibling ?? rest?.previousElementSibling)?.querySelector(".acts button:not([hidden])");
  forget(gone.map((item) => item.jobId).filter(Boolean));
  for (const item of gone) {
    rows.get(item)?.element.remove();
    rows.delete(item);
    spoken.delete(item);
    byJob.delete(item.jobId);
    feed.drop(item.jobId);
  }
  (next ?? find("file")).focus();
  touch(null);
}

function drawOverall() {
  const all = items();
  set(find("files"), "hidden", !all.length);
  const words = overallWords(all);
  set(find("overall"), "textContent", words);
  set(document, "title", all.some((item) => item.isOpen) ? `${words} · Ingest` : "Drop files, read text · Ingest");
  set(find("cancel-all"), "hidden", all.filter((item) => item.isOpen).length < 2);
  set(find("retry-all"), "hidden", all.filter((item) => item.hasFailed && item.canRetry).length < 2);
  set(find("clear"), "hidden", !all.some((item) => !item.isOpen));
}

function restore(entries) {
  for (const entry of entries.filter(({ jobId }) => !byJob.has(jobId))) {
    const item = new Item(entry);
    byJob.set(item.jobId, item);
    show(item, { first: false });
    feed.watch(item.jobId);
  }
}

form.addEventListener("submit", (event) => event.preventDefault());
find("send").hidden = true;
find("cancel-all").onclick = () => items().filter((item) => item.isOpen).forEach(actions.cancel);
find("retry-all").onclick = () => items().filter((item) => item.hasFailed && item.canRetry).forEach(actions.retry);
find("clear").onclick = () => removed(items().filter((item) => !item.isOpen));
listen(find("file"), find("veil"), take);
onOtherTab(restore);
addEventListener("beforeunload", (event) => uploads.isBusy && event.preventDefault());
setInterval(() => items().filter((item) => item.isOpen).forEach(touch), 1000);
restore(recall());
