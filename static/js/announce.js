// One polite live region: what begins, ends and fails, gathered so that forty files are one sentence.

import { plural } from "./words.js";

const GATHER = 700;

export function announcer(region) {
  const news = { started: [], done: [], failed: [] };
  let timer = null;

  const phrase = (names, one, many) => names.length && (names.length === 1 ? `${names[0]} ${one}` : `${plural(names.length, "file")} ${many}`);

  function speak() {
    timer = null;
    region.textContent = [
      phrase(news.started, "is on its way", "are on their way"),
      phrase(news.done, "is done", "are done"),
      phrase(news.failed, "failed", "failed"),
    ].filter(Boolean).join(". ");
    for (const kind in news) news[kind] = [];
  }

  return (kind, name) => {
    news[kind].push(name);
    timer ??= setTimeout(speak, GATHER);
  };
}

/** "31 done, 2 failed, 7 to go" */
export function overallWords(items) {
  const count = (test) => items.filter(test).length;
  const failed = count((item) => item.hasFailed);
  const open = count((item) => item.isOpen);
  const cancelled = count((item) => item.status === "cancelled");
  const done = count((item) => item.status === "completed");
  return [
    done && `${done} done`,
    failed && `${failed} failed`,
    cancelled && `${cancelled} cancelled`,
    open && `${open} to go`,
  ].filter(Boolean).join(", ");
}
