// The row of one file: built once, then told to show its item; touches only what differs.

import { resultPath } from "./api.js";
import { attribute, button, label, make, set } from "./dom.js";
import { bytes, day, plural, resultWords, seconds, stepWords, waitingWords } from "./words.js";

/** From how many seconds without news a row says so. */
const SILENT_AFTER = 10;

function sendingWords({ size, sent, transfer, cancelling }) {
  if (cancelling) return ["Cancelling", ""];
  if (sent >= 1) return ["Uploaded, being stored", ""];
  if (!transfer) return ["Uploading", ""];
  const left = transfer.speed ? (transfer.total - transfer.loaded) / transfer.speed : null;
  const pace = transfer.speed ? `${bytes(transfer.speed)}/s · ${seconds(Math.ceil(left))} left` : "";
  return [`Uploading · ${bytes(Math.min(transfer.loaded, size))} of ${bytes(size)}`, pace];
}

function processingWords(item, now) {
  const silence = (now - item.heardAt) / 1000;
  const note = silence >= SILENT_AFTER ? `no news for ${seconds(silence)}` : seconds(item.elapsed(now));
  return [stepWords(item.document.progress ?? {}), note];
}

function unsentWords({ error, resumes }) {
  if (error.code === "aborted") return "Upload cancelled";
  return resumes ? "Not uploaded yet; is sent again by itself once the service can be reached" : "Not uploaded";
}

/** The line under the bar: what goes on, and a figure at its end. */
function lineOf(item, now) {
  if (item.note) return [item.note, ""];
  if (item.cancelling && item.isLive) return ["Cancelling", ""];
  switch (item.status) {
    case "queued": return ["Waits for its turn to upload", ""];
    case "sending": return sendingWords(item);
    case "unsent": return [unsentWords(item), ""];
    case "refused": return ["Not accepted", ""];
    case "gone": return ["Removed from the service", ""];
    case "cancelled": return ["Cancelled", ""];
    case "failed": return [item.document.attempt > 1 ? `Failed after ${plural(item.document.attempt, "attempt")}` : "Failed", ""];
    case "completed": return [resultWords(item.document.result ?? {}), ""];
    case "processing": return processingWords(item, now);
    default: return [item.document ? waitingWords(item.document, now) : item.file ? "In line" : "Asking how it stands", ""];
  }
}

function troubleOf({ status, error }) {
  if (!error || status === "cancelled" || error.code === "aborted") return [];
  return [status === "retrying" ? `Last attempt: ${error.message}` : error.message, error.suggestion];
}

// When it came is said of what an earlier visit left.
function factsOf(item, now) {
  const at = item.at ?? Date.parse(item.document?.timestamps?.createdAt);
  const priority = item.document?.priority ?? item.priority;
  return [item.size != null && bytes(item.size), priority && priority !== "medium" && `${priority} priority`, !item.file && at && day(at, now)].filter(Boolean).join(" · ");
}

const ending = (name) => (/\.([^.]{1,5})$/.exec(name)?.[1] ?? "file").toUpperCase();

export class Row {
  #parts = {};
  #reader = null;
  isSeen = true; // until the page knows better

  constructor(item, actions) {
    this.item = item;
    this.actions = actions;
    this.element = this.#build();
  }

  #build() {
    const { item, actions } = this;
    const about = item.name;
    const part = (name, element) => (this.#parts[name] = element);
    const link = (format, label) => part(format, make("a", { textContent: label, download: "" }));
    const bar = part("bar", make("div", { className: "bar" },
      make("span", { className: "sent" }, part("sent", make("i"))),
      make("span", { className: "read" }, part("read", make("i")))));
    for (const [name, value] of [["role", "progressbar"], ["aria-label", about], ["aria-valuemin", 0], ["aria-valuemax", 100]]) bar.setAttribute(name, value);
    part("acts", make("div", { className: "acts" },
      part("open", button("Read", about, () => this.#toggle())),
      part("copy", button("Copy", about, () => actions.copy(item, this.#parts.copy))),
      part("cancel", button("Cancel", about, () => actions.cancel(item))),
      part("retry", button("Retry", about, () => actions.retry(item))),
      part("remove", button("Remove", about, () => actions.remove(item)))));
    this.#parts.remove.classList.add("quiet");
    return make("li", { className: "row" },
      make("span", { className: "kind", textContent: ending(item.name), ariaHidden: "true" }),
      make("p", { className: "title" },
        part("name", make("bdi", { className: "name", textContent: item.name, title: item.name })),
        part("facts", make("span", { className: "facts" }))),
      this.#parts.acts,
      bar,
      make("p", { className: "line" }, part("step", make("span", { className: "step" })), part("figure", make("span", { className: "figure" })),
        part("saves", make("span", { className: "saves" }, link("text", "Text"), link("markdown", "Markdown"), link("json", "JSON")))),
      part("trouble", make("p", { className: "trouble" }, part("message", make("strong")), " ", part("advice", make("span")))),
      part("twin", make("p", { className: "twin", hidden: true }, part("before", make("span")), " ", part("twinLink", make("a", { textContent: "open", target: "_blank", rel: "noopener" })))),
      part("warnings", make("p", { className: "warning" })),
      part("excerpt", make("p", { className: "excerpt", dir: "auto" })),
      part("reader", make("div", { className: "reader", hidden: true })));
  }

  render(now) {
    const { item } = this;
    const parts = this.#parts;
    const [step, figure] = lineOf(item, now);
    attribute(this.element, "data-state", item.status);
    set(parts.name, "textContent", item.name);
    set(parts.facts, "textContent", factsOf(item, now));
    set(parts.step, "textContent", step);
    set(parts.figure, "textContent", figure);
    this.#renderBar(step);
    this.#renderTexts();
    this.#renderTwin(now);
    this.#renderActions();
  }

  #renderTwin(now) {
    const { twin, name } = this.item;
    const parts = this.#parts;
    set(parts.twin, "hidden", !twin);
    if (!twin || parts.twinLink.hasAttribute("href")) return;
    parts.before.textContent = `The same content was read before${twin.at ? `, ${day(twin.at, now)}` : ""}:`;
    parts.twinLink.href = `/jobs/${twin.jobId}`;
    parts.twinLink.setAttribute("aria-label", `Open what was read before: ${name}`);
  }

  #renderBar(step) {
    const { item } = this;
    const { bar, sent, read } = this.#parts;
    set(bar, "hidden", !item.isOpen);
    attribute(bar, "aria-valuenow", item.percentage);
    attribute(bar, "aria-valuetext", `${item.percentage} %, ${step}`);
    for (const [fill, share] of [[sent, item.sent], [read, item.read]]) {
      const moved = `translateX(${(share * 100 - 100).toFixed(1)}%)`;
      if (fill.style.transform !== moved) fill.style.transform = moved;
    }
  }

  #renderTexts() {
    const { item } = this;
    const parts = this.#parts;
    const [message, advice] = troubleOf(item);
    set(parts.trouble, "hidden", !message);
    set(parts.message, "textContent", message ?? "");
    set(parts.advice, "textContent", advice ?? "");
    const result = item.status === "completed" ? item.document.result : null;
    const warnings = (result?.warnings ?? []).map((warning) => warning.message).join(" ");
    set(parts.warnings, "hidden", !warnings);
    set(parts.warnings, "textContent", warnings);
    const excerpt = result?.preview?.slice(0, 400) ?? "";
    set(parts.excerpt, "hidden", !excerpt.trim() || !parts.reader.hidden);
    set(parts.excerpt, "textContent", excerpt);
  }

  #renderActions() {
    const { item } = this;
    const parts = this.#parts;
    const done = item.status === "completed";
    const focused = parts.acts.contains(document.activeElement) ? document.activeElement : null;
    for (const name of ["open", "copy", "saves"]) set(parts[name], "hidden", !done);
    if (done && !parts.text.hasAttribute("href")) this.#renderLinks();
    set(parts.cancel, "hidden", !item.isOpen || (item.cancelling && item.phase === "job"));
    set(parts.retry, "hidden", !item.canRetry && item.status !== "retrying");
    label(parts.retry, item.status === "retrying" ? "Try now" : item.phase === "unsent" ? "Send again" : "Retry", item.name);
    set(parts.remove, "hidden", item.isOpen);
    // A keyboard must not fall off the page when its button goes.
    if (focused?.hidden) parts.acts.querySelector("button:not([hidden])")?.focus();
  }

  #renderLinks() {
    for (const format of ["text", "markdown", "json"]) {
      const link = this.#parts[format];
      link.href = resultPath(this.item.jobId, format, { download: true });
      link.setAttribute("aria-label", `Download ${link.textContent}: ${this.item.name}`);
    }
  }

  #toggle() {
    const { open, reader, excerpt } = this.#parts;
    reader.hidden = !reader.hidden;
    excerpt.hidden = !reader.hidden;
    label(open, reader.hidden ? "Read" : "Close", this.item.name);
    attribute(open, "aria-expanded", String(!reader.hidden));
    this.#reader ??= this.#openReader(reader);
  }

  // Fetched when a text is first opened, so that the page itself stays small.
  async #openReader(place) {
    try {
      const { openReader } = await import("./reader.js");
      openReader(place, { item: this.item, say: this.actions.say });
    } catch {
      place.textContent = "The reader could not be loaded. Reload the page, or download the text.";
    }
  }
}
