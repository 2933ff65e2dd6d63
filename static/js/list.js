// The list of files: wires files, uploads, news and rows together.

import { actionsWith } from "./actions.js";
import { announcer } from "./announce.js";
import { comeback } from "./comeback.js";
import { Feed } from "./feed.js";
import { sha256 } from "./hashing.js";
import { Item } from "./item.js";
import { forget, onOtherTab, recall, remember, rememberHash, twinOf } from "./memory.js";
import { objection, sift } from "./objection.js";
import { painter } from "./paint.js";
import { Row } from "./row.js";
import { summary } from "./summary.js";
import { Uploads } from "./uploads.js";
import { plural } from "./words.js";

const find = (id) => document.getElementById(id);
const form = find("intake");
const limits = { maxBytes: Number(form.dataset.maxBytes), accept: form.dataset.accept.split(" ").filter(Boolean) };
/** A job that the service does not know any more is forgotten here too, once it is older. */
const FORGET_AFTER = 7 * 86_400_000;

const say = announcer(find("live"));
const rows = new Map(); // item → its row
const byElement = new Map(); // a row's element → its item
const byJob = new Map(); // job id → item
const spoken = new Map(); // item → the status last announced
const items = () => [...rows.keys()];

const uploads = new Uploads({ onChange: (item) => touch(item), onAccepted: accepted, onFailed: changed });
const actions = actionsWith({ uploads, changed, removed, say });
const drawSummary = summary(items, { ...actions, removed });
const touch = painter({ draw: (item) => rows.get(item)?.render(Date.now()), drawn: drawSummary, isSeen: (item) => rows.get(item)?.isSeen });
const feed = new Feed({
  onDocument: (jobId, document) => withItem(jobId, (item) => item.take(document, Date.now()) && changed(item)),
  onWaiting: (jobId, waiting) => withItem(jobId, (item) => item.takeWaiting(waiting) && touch(item)),
  onGone: (jobId) => withItem(jobId, gone, () => feed.drop(jobId)),
});
const expectBack = comeback(() => items().filter((item) => item.resumes).forEach((item) => uploads.resume(item)));
const view = new IntersectionObserver(seen, { rootMargin: "50%" });

function seen(entries) {
  for (const { target, isIntersecting } of entries) {
    const item = byElement.get(target);
    if (!item) continue;
    rows.get(item).isSeen = isIntersecting;
    if (isIntersecting) touch(item);
  }
}

function withItem(jobId, use, otherwise) {
  const item = byJob.get(jobId);
  if (item) use(item);
  else otherwise?.();
}

function gone(item) {
  item.gone();
  if (item.at && Date.now() - item.at > FORGET_AFTER) forget([item.jobId]);
  changed(item);
}

/** After any news of an item: who watches it, what is said aloud, what is drawn. */
function changed(item) {
  if (item.jobId) item.isLive ? feed.watch(item.jobId) : feed.drop(item.jobId);
  if (item.resumes) expectBack();
  const status = item.status;
  if (spoken.get(item) !== status) {
    // What a reload finds is no news.
    if (spoken.has(item) && status === "completed") say("done", item.name);
    if (spoken.has(item) && item.hasFailed) say("failed", item.name);
    spoken.set(item, status);
    if (status === "completed") learn(item, item.document.result?.sha256);
  }
  touch(item);
}

function accepted(item) {
  byJob.set(item.jobId, item);
  remember(item);
  changed(item);
  if (item.cancelling) actions.cancel(item);
}

/** What the content's hash tells: kept for later, and whether the same was read before. */
function learn(item, hash) {
  if (!hash || item.sha256 === hash) return;
  item.sha256 = hash;
  if (item.jobId) rememberHash(item.jobId, hash);
  if (item.file) item.twin = twinOf(item);
  touch(item);
}

function show(item, { first = true } = {}) {
  const row = new Row(item, actions);
  rows.set(item, row);
  byElement.set(row.element, item);
  find("rows")[first ? "prepend" : "append"](row.element);
  view.observe(row.element);
  touch(item);
}

/** Takes a batch of files that were chosen, dropped or pasted. */
export function take({ files, ofFolder }) {
  const { kept, leftOut } = ofFolder ? sift(files, limits) : { kept: files, leftOut: 0 };
  if (leftOut) say("other", `${plural(leftOut, "file")} of other types ${leftOut === 1 ? "was" : "were"} left out`);
  find("left-out").textContent = leftOut ? `${plural(leftOut, "file")} of types that cannot be read here ${leftOut === 1 ? "was" : "were"} left out.` : "";
  const { priority, userId } = form.elements;
  const chosen = kept.map((file) => new Item({ file, name: file.name, size: file.size, priority: priority.value, userId: userId.value.trim() }));
  // The first of the batch stands on top, and is sent first.
  for (const item of [...chosen].reverse()) {
    spoken.set(item, item.status);
    show(item);
  }
  chosen.forEach(send);
}

function send(item) {
  const error = objection(item.file, limits);
  if (error) {
    item.failedToSend(error, { final: true });
    return changed(item);
  }
  say("started", item.name);
  uploads.add(item);
  return sha256(item.file).then((hash) => rows.has(item) && learn(item, hash));
}

function removed(those) {
  const rest = those.length === 1 ? rows.get(those[0])?.element : null;
  const next = (rest?.nextElementSibling ?? rest?.previousElementSibling)?.querySelector(".acts button:not([hidden])");
  forget(those.map((item) => item.jobId).filter(Boolean));
  for (const item of those) {
    const { element } = rows.get(item);
    view.unobserve(element);
    element.remove();
    byElement.delete(element);
    rows.delete(item);
    spoken.delete(item);
    byJob.delete(item.jobId);
    if (item.jobId) feed.drop(item.jobId);
  }
  (next ?? find("file")).focus();
  touch(null);
}

function restore(entries) {
  for (const entry of entries.filter(({ jobId }) => !byJob.has(jobId))) {
    const item = new Item(entry);
    byJob.set(item.jobId, item);
    show(item, { first: false });
    feed.watch(item.jobId);
  }
}

onOtherTab(restore);
addEventListener("beforeunload", (event) => {
  if (uploads.isBusy || items().some((item) => item.resumes)) event.preventDefault();
});
setInterval(() => items().filter((item) => item.isOpen && rows.get(item).isSeen).forEach(touch), 1000);
restore(recall());
