// One polite live region: what begins, ends and fails, gathered so that forty files are one sentence.

import { plural } from "./words.js";

const GATHER = 700;

export function announcer(region) {
  const news = { started: [], done: [], failed: [], other: [] };
  let timer = null;

  const phrase = (names, one, many) => names.length && (names.length === 1 ? `${names[0]} ${one}` : `${plural(names.length, "file")} ${many}`);

  function speak() {
    timer = null;
    region.textContent = [
      phrase(news.started, "is on its way", "are on their way"),
      phrase(news.done, "is done", "are done"),
      phrase(news.failed, "failed", "failed"),
      ...new Set(news.other),
    ].filter(Boolean).join(". ");
    for (const kind in news) news[kind] = [];
  }

  /** Kind "other" takes a sentence, the others a file's name. */
  return (kind, name) => {
    news[kind].push(name);
    timer ??= setTimeout(speak, GATHER);
  };
}
