// What every part of the operator's pages is built from: keyed rows, pairs of name and value, links to a job.

import { make, set } from "./dom.js";

export const ORDER = ["urgent", "high", "medium", "low"];
export const find = (id) => document.getElementById(id);

/**
 * Keeps one element per key in `place`, in the order of `things`, so that a refresh neither moves the focus nor loses a selection.
 * `create(thing)` gives an element; `update(element, thing)` fills it.
 */
export function keyed(place, things, keyOf, create, update) {
  const had = new Map([...place.children].map((element) => [element.dataset.key, element]));
  const keys = things.map((thing) => String(keyOf(thing)));
  // First out with what is gone: an element that has to move for it would lose the focus.
  const stay = new Set(keys);
  for (const [key, element] of had) if (!stay.has(key)) element.remove();
  let last = null;
  for (const [index, thing] of things.entries()) {
    const key = keys[index];
    const element = had.get(key) ?? create(thing);
    element.dataset.key = key;
    update(element, thing);
    const wanted = last ? last.nextElementSibling : place.firstElementChild;
    if (wanted !== element) place.insertBefore(element, wanted);
    last = element;
  }
}

export const rowOf = (columns) => make("tr", {}, ...Array.from({ length: columns }, () => make("td")));

/** Rows of plain texts, aligned as their heads; where there is none, one row that says so. */
export function plainRows(body, things, keyOf, texts, none) {
  const heads = [...body.parentElement.tHead.rows[0].cells];
  if (!things.length) {
    keyed(body, [none], () => "none", () => make("tr", {}, make("td", { colSpan: heads.length, className: "none", textContent: none })), () => {});
    return;
  }
  keyed(body, things, keyOf, () => make("tr", {}, ...heads.map(({ className }) => make("td", { className }))), (row, thing) =>
    texts(thing).forEach((text, index) => set(row.cells[index], "textContent", text)));
}

/** Entries `[name, value, aside]` as terms and descriptions. */
export function pairs(place, entries) {
  keyed(place, entries, ([name]) => name,
    ([name]) => make("div", {}, make("dt", { textContent: name }), make("dd", {}, make("span"), make("small"))),
    (element, [, value, aside = ""]) => {
      const [main, small] = element.lastElementChild.children;
      set(main, "textContent", value);
      set(small, "textContent", aside ? ` ${aside}` : "");
    });
}

/** A link to the operator's page of a job; its name is isolated, whatever direction it is written in. */
export const jobLink = (jobId, name) => make("a", { href: `/admin/jobs/${encodeURIComponent(jobId)}` }, make("bdi", { textContent: name }));

/** Where the focus goes when what had it is gone. */
export const restFocus = () => document.querySelector("[data-focus-rest]").focus();

/** What a refused request says, as one line. */
export function troubleWords(refused) {
  const { error } = refused ?? {};
  return error ? [error.message, error.suggestion].filter(Boolean).join(" ") : String(refused);
}

/** Shows a refusal, or takes it away; who is not logged in any more goes to the login. */
export function alarm(place, refused) {
  if (refused?.status === 401) location.assign("/admin/login");
  set(place, "hidden", !refused);
  set(place, "textContent", refused ? troubleWords(refused) : "");
}

/** How far this machine's clock is behind the server's, in ms: the page was made at `data-now`. */
const behind = Number(document.querySelector("[data-now]").dataset.now) - Date.now();
export const serverNow = () => Date.now() + behind;
