// The text of a finished job: page by page, fetched as it is turned to, and searched as a whole.

import { getJson, getText, resultPath } from "./api.js";
import { attribute, make, set } from "./dom.js";
import { MOST_MATCHES, search } from "./search.js";
import { plural } from "./words.js";

/** Of a longer page only a part is shown: a browser lays out a book in one piece slowly. */
const MOST_SHOWN = 300_000;
/** Longer texts are not fetched as a whole: the search then looks at the page that is shown. */
const MOST_SEARCHED = 20_000_000;
const TYPING = 200;

const button = (textContent, ariaLabel, onclick) => make("button", { type: "button", textContent, ariaLabel, onclick });

class Reader {
  #shown = 1;
  #latest = 0;
  #texts = new Map(); // page number → its text
  #whole = null; // the promise of all pages
  #matches = [];
  #current = -1;
  #timer = null;

  constructor(place, { item, say }) {
    this.item = item;
    this.say = say;
    this.pages = item.document.result?.pages || 1;
    this.#build(place);
    this.turn(1);
  }

  #build(place) {
    const { name, jobId } = this.item;
    this.text = make("pre", { className: "paper", dir: "auto", tabIndex: 0, ariaLabel: `Text of ${name}` });
    this.text.setAttribute("role", "region");
    this.number = make("input", { type: "number", min: 1, max: this.pages, value: 1, ariaLabel: "Page" });
    this.number.onchange = () => this.turn(this.number.valueAsNumber);
    this.back = button("←", "Previous page", () => this.turn(this.#shown - 1));
    this.on = button("→", "Next page", () => this.turn(this.#shown + 1));
    this.words = make("input", { type: "search", placeholder: "Search the text", ariaLabel: `Search the text of ${name}`, autocomplete: "off", spellcheck: false });
    this.words.oninput = () => this.#typed();
    this.words.onkeydown = (event) => this.#key(event);
    this.count = make("span", { className: "count" });
    this.steps = make("span", { className: "steps", hidden: true }, button("↑", "Previous match", () => this.#step(-1)), button("↓", "Next match", () => this.#step(1)));
    place.append(
      make("div", { className: "reading" },
        make("div", { className: "pager", hidden: this.pages < 2 }, this.back, make("label", {}, "Page ", this.number, ` of ${this.pages.toLocaleString("en")}`), this.on),
        make("div", { className: "finder" }, this.words, this.count, this.steps)),
      this.text,
      make("p", { className: "fine" }, make("a", { href: `/jobs/${jobId}`, textContent: "Page of this job" }), ", to pass on"));
  }

  async turn(page, match = null) {
    this.#shown = Math.min(this.pages, Math.max(1, Math.trunc(page) || 1));
    this.number.value = this.#shown;
    this.back.disabled = this.#shown <= 1;
    this.on.disabled = this.#shown >= this.pages;
    const mine = ++this.#latest;
    if (!this.#texts.has(this.#shown)) {
      attribute(this.text, "aria-busy", "true");
      const said = await this.#fetch(this.#shown);
      // Turned on meanwhile: the later page stands.
      if (mine !== this.#latest) return;
      attribute(this.text, "aria-busy", null);
      if (said === null) return;
      this.#texts.set(this.#shown, said);
    }
    this.#draw(match);
  }

  async #fetch(page) {
    try {
      return await getText(resultPath(this.item.jobId, "text", { page }));
    } catch (refused) {
      this.text.textContent = refused.error?.message ?? "The text could not be fetched.";
      return null;
    }
  }

  #draw(match) {
    const all = this.#texts.get(this.#shown);
    const from = match && match.end > MOST_SHOWN ? match.start - 2000 : 0;
    const shown = all.slice(from, from + MOST_SHOWN);
    this.text.replaceChildren();
    if (!shown.trim()) this.text.textContent = "There is no text on this page.";
    else this.#drawMarked(shown, from);
    if (shown.length < all.length) {
      this.text.append(make("span", { className: "cut", textContent: `\n\n${shown.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} characters of this page are shown. The downloads have all of it.` }));
    }
    const mark = match && this.text.querySelector('[aria-current="true"]');
    if (mark) mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    else this.text.scrollTop = 0;
  }

  // Hits become elements, everything else stays text: nothing of a document is ever markup.
  #drawMarked(shown, from) {
    let at = 0;
    for (const hit of this.#matches) {
      if (hit.page !== this.#shown || hit.start < from + at || hit.end > from + shown.length) continue;
      const mark = make("mark", { textContent: shown.slice(hit.start - from, hit.end - from) });
      if (hit === this.#matches[this.#current]) mark.setAttribute("aria-current", "true");
      this.text.append(shown.slice(at, hit.start - from), mark);
      at = hit.end - from;
    }
    this.text.append(shown.slice(at));
  }

  // ---- the search -------------------------------------------------------------------------------------------------

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(), TYPING);
  }

  #key(event) {
    if (event.key === "Escape" && this.words.value) {
      event.preventDefault();
      this.words.value = "";
      this.#search();
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (this.#timer) this.#search();
      else this.#step(event.shiftKey ? -1 : 1);
    }
  }

  async #search() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const query = this.words.value;
    const pages = query.trim() ? await this.#allPages() : [];
    if (query !== this.words.value) return;
    this.#matches = search(pages, query);
    this.#current = this.#matches.findIndex(({ page }) => page >= this.#shown);
    if (this.#current < 0 && this.#matches.length) this.#current = 0;
    this.#tell(query);
    this.turn(this.#matches[this.#current]?.page ?? this.#shown, this.#matches[this.#current]);
  }

  #tell(query) {
    const { length } = this.#matches;
    const whole = this.#texts.size >= this.pages ? "" : " on this page";
    set(this.steps, "hidden", !length);
    const many = length === MOST_MATCHES ? `${length.toLocaleString("en")} or more` : length.toLocaleString("en");
    this.count.textContent = !query.trim() ? "" : length ? `${(this.#current + 1).toLocaleString("en")} of ${many}${whole}` : `Not found${whole}`;
    if (query.trim()) this.say("other", length ? `${plural(length, "match", "matches")}${whole}` : `Not found${whole}`);
  }

  #step(by) {
    const { length } = this.#matches;
    if (!length) return;
    this.#current = (this.#current + by + length) % length;
    const match = this.#matches[this.#current];
    this.count.textContent = this.count.textContent.replace(/^[\d,]+/, (this.#current + 1).toLocaleString("en"));
    this.turn(match.page, match);
  }

  /** All pages; where they are too much or do not come, those that were shown. */
  async #allPages() {
    if ((this.item.document.result?.characters ?? 0) <= MOST_SEARCHED && this.#texts.size < this.pages) {
      this.#whole ??= getJson(resultPath(this.item.jobId, "json")).then(({ pages }) => pages.forEach(({ number, text }) => this.#texts.set(number, text)));
      await this.#whole.catch(() => (this.#whole = null));
    }
    const known = this.#texts.size >= this.pages ? [...this.#texts] : [...this.#texts].filter(([number]) => number === this.#shown);
    return known.map(([number, text]) => ({ number, text })).sort((a, b) => a.number - b.number);
  }
}

/** Opens the text of the item inside `place`; `say` tells aloud what a search found. */
export function openReader(place, { item, say }) {
  return new Reader(place, { item, say });
}
