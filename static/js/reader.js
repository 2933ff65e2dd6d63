// The text of a finished job, page by page, fetched as it is turned to.

import { getText, resultPath } from "./api.js";
import { attribute, make } from "./dom.js";

export function openReader(place, { jobId, name, document: { result } }) {
  const pages = result?.pages ?? 1;
  const text = make("pre", { className: "paper", dir: "auto", tabIndex: 0 });
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", `Text of ${name}`);
  const number = make("input", { type: "number", min: 1, max: pages, value: 1, ariaLabel: "Page" });
  const back = make("button", { type: "button", textContent: "Previous", onclick: () => turn(shown - 1) });
  const on = make("button", { type: "button", textContent: "Next", onclick: () => turn(shown + 1) });
  const link = make("a", { href: `/jobs/${jobId}`, textContent: "Page of this job" });
  const pager = make("p", { className: "pager", hidden: pages < 2 }, back, make("label", {}, "Page ", number, ` of ${pages.toLocaleString("en")}`), on);
  let shown = 1;
  let latest = 0;

  async function turn(page) {
    shown = Math.min(pages, Math.max(1, Math.trunc(page) || 1));
    number.value = shown;
    back.disabled = shown <= 1;
    on.disabled = shown >= pages;
    const mine = ++latest;
    attribute(text, "aria-busy", "true");
    const said = await getText(resultPath(jobId, "text", { page: shown })).catch((refused) => `${refused.error?.message ?? "The text could not be fetched."}`);
    // Turned on meanwhile: the later page stands.
    if (mine !== latest) return;
    text.textContent = said.trim() ? said : "There is no text on this page.";
    text.scrollTop = 0;
    attribute(text, "aria-busy", null);
  }

  number.onchange = () => turn(number.valueAsNumber);
  place.append(make("div", { className: "reading" }, pager, link), text);
  turn(1);
  return place;
}
