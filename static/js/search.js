// Finding words in the pages of a text. No DOM, no network.

/** More matches than these nobody turns through. */
export const MOST_MATCHES = 5000;

// Any white space stands for any other: a phrase goes on over the end of a line.
function patternOf(query) {
  const words = query.trim().split(/\s+/u).map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return new RegExp(words.join("\\s+"), "giu");
}

/** Where `query` stands in the pages, in reading order: `{page, start, end}`, `page` counted from 1. */
export function search(pages, query) {
  if (!query.trim()) return [];
  const pattern = patternOf(query);
  const found = [];
  for (const { number, text } of pages) {
    for (const match of text.matchAll(pattern)) {
      found.push({ page: number, start: match.index, end: match.index + match[0].length });
      if (found.length === MOST_MATCHES) return found;
    }
  }
  return found;
}
