// The line over the list and what can be done with all files at once.

import { resultsPath } from "./api.js";
import { attribute, make, set } from "./dom.js";
import { about, plural } from "./words.js";

/** As many results as the service packs into one ZIP. */
const MOST_IN_ZIP = 100;

/** How fast files come to their end since the list was last at rest: from that, how long the rest takes. */
export class Pace {
  #ended = new Set();
  #began = null;

  /** Seconds until the `open` files have ended too; null where nothing can be said. */
  left(all, now) {
    const open = all.filter((item) => item.isOpen);
    if (!open.length) {
      this.#began = null;
      return null;
    }
    if (this.#began === null) {
      this.#began = now;
      this.#ended = new Set(all.filter((item) => !item.isOpen));
    }
    const ended = all.filter((item) => !item.isOpen && !this.#ended.has(item)).length;
    const moving = open.filter((item) => !item.isHeld).length;
    return ended >= 2 && moving ? ((now - this.#began) / 1000 / ended) * moving : null;
  }
}

/** "31 done, 2 failed, 7 to go, about 1 minute" */
export function overallWords(all, left = null) {
  const count = (test) => all.filter(test).length;
  const of = (number, word) => number && `${number} ${word}`;
  return [
    of(count((item) => item.status === "completed"), "done"),
    of(count((item) => item.hasFailed), "failed"),
    of(count((item) => item.status === "cancelled"), "cancelled"),
    of(count((item) => item.isOpen), "to go"),
    left !== null && about(left),
  ].filter(Boolean).join(", ");
}

// The links stay the same elements, so that one that has the focus keeps it.
function drawZips(place, jobIds) {
  const parts = [];
  for (let at = 0; at < jobIds.length; at += MOST_IN_ZIP) parts.push(jobIds.slice(at, at + MOST_IN_ZIP));
  while (place.children.length > parts.length) place.lastElementChild.remove();
  while (place.children.length < parts.length) place.append(make("a", { className: "button", download: "" }));
  parts.forEach((ids, index) => {
    const link = place.children[index];
    attribute(link, "href", resultsPath(ids, "text"));
    const from = index * MOST_IN_ZIP;
    set(link, "textContent", parts.length === 1 ? "All texts (ZIP)" : `Texts ${from + 1} to ${from + ids.length} (ZIP)`);
  });
}

/** `actions`: what the buttons do, each with the items it is about. Returns `draw()`. */
export function summary(items, { cancel, retry, removed }) {
  const find = (id) => document.getElementById(id);
  const pace = new Pace();
  const open = () => items().filter((item) => item.isOpen);
  const retryable = () => items().filter((item) => item.isWorthRetrying);

  find("cancel-all").onclick = () => open().forEach(cancel);
  find("retry-all").onclick = () => retryable().forEach(retry);
  find("clear").onclick = () => removed(items().filter((item) => !item.isOpen));

  return () => {
    const all = items();
    const words = overallWords(all, pace.left(all, Date.now()));
    const openCount = open().length;
    set(find("files"), "hidden", !all.length);
    set(find("overall"), "textContent", words);
    set(document, "title", openCount ? `${words} · Ingest` : "Drop files, read text · Ingest");
    const ended = all.length - openCount;
    set(find("share"), "hidden", openCount + ended < 2 || !openCount);
    set(find("share"), "max", all.length || 1);
    set(find("share"), "value", all.reduce((sum, item) => sum + item.share, 0));
    set(find("cancel-all"), "hidden", openCount < 2);
    set(find("retry-all"), "hidden", retryable().length < 2);
    set(find("retry-all"), "textContent", `Retry ${plural(retryable().length, "failed file")}`);
    set(find("clear"), "hidden", !ended);
    const done = all.filter((item) => item.status === "completed").map((item) => item.jobId);
    drawZips(find("zips"), done.length < 2 ? [] : done);
  };
}
