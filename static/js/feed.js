// News of all live jobs of the page: one event stream, and asking by turns where the stream does not come through.
//
// The stream counts as working once it has brought an event; until then, and after it broke, the status route is asked
// every two seconds. So a blocked, buffered or cut stream delays news, and never the end of a job.

import { getStatus } from "./api.js";

const MOST_IN_STREAM = 100;
const ASK_EVERY = 2000;
const OPEN_WITHIN = 5000;
/** A stream without any event for so long is doubted: its comments are invisible here. */
const QUIET = 15_000;
const GATHER = 250;
const FIRST_REST = 15_000;
const LONGEST_REST = 120_000;

export class Feed {
  #jobs = new Map(); // id → the ETag last seen
  #covered = new Set();
  #source = null;
  #working = false;
  #failures = 0;
  #rest = FIRST_REST;
  #restUntil = 0;
  #openedAt = -Infinity;
  #heardAt = 0;
  #askedAt = 0;
  #asking = false;
  #turn = 0;
  #timers = {};

  constructor({ onDocument, onWaiting, onGone }) {
    Object.assign(this, { onDocument, onWaiting, onGone });
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
    addEventListener("pagehide", () => this.#close());
    addEventListener("pageshow", (event) => event.persisted && this.#arrange());
  }

  watch(jobId) {
    if (this.#jobs.has(jobId)) return;
    this.#jobs.set(jobId, null);
    this.#timers.tick ??= setInterval(() => this.#tick(), 500);
    if (!this.#askedAt) this.#askedAt = Date.now();
    this.#arrange();
  }

  drop(jobId) {
    if (!this.#jobs.delete(jobId)) return;
    this.#covered.delete(jobId);
    if (!this.#jobs.size) {
      this.#close();
      clearInterval(this.#timers.tick);
      this.#timers.tick = null;
    } else if (this.#covered.size <= MOST_IN_STREAM / 2) this.#arrange();
  }

  // Opens the stream anew when it should hold jobs that it does not; jobs that come in a burst share one opening.
  #arrange() {
    if (this.#timers.arrange || Date.now() < this.#restUntil) return;
    const since = performance.now() - this.#openedAt;
    this.#timers.arrange = setTimeout(() => {
      this.#timers.arrange = null;
      const room = MOST_IN_STREAM - this.#covered.size;
      const missing = this.#jobs.size - this.#covered.size;
      if (this.#jobs.size && (!this.#source || (missing && room))) this.#open();
    }, Math.max(0, GATHER - since));
  }

  #open() {
    this.#close();
    const ids = [...this.#jobs.keys()].slice(0, MOST_IN_STREAM);
    this.#covered = new Set(ids);
    this.#openedAt = performance.now();
    const source = new EventSource(`/api/ingest/events?jobs=${ids.join(",")}`);
    this.#source = source;
    this.#timers.open = setTimeout(() => this.#rested(), OPEN_WITHIN);
    const on = (name, take) => source.addEventListener(name, (event) => {
      if (source !== this.#source) return;
      this.#heard();
      take(JSON.parse(event.data));
    });
    on("status", (document) => this.onDocument(document.jobId, document));
    on("waiting", ({ jobId, waiting }) => this.onWaiting(jobId, waiting));
    on("gone", ({ jobId }) => this.onGone(jobId));
    source.onerror = () => source === this.#source && this.#failed(source);
  }

  #heard() {
    clearTimeout(this.#timers.open);
    this.#working = true;
    this.#failures = 0;
    this.#rest = FIRST_REST;
    this.#heardAt = Date.now();
  }

  // EventSource opens again by itself after a cut, and gives up (CLOSED) at any answer that is no stream: 503, 204.
  #failed(source) {
    this.#working = false;
    this.#failures += 1;
    if (source.readyState === EventSource.CLOSED || this.#failures >= 2) this.#rested();
    this.#ask();
  }

  // Gives the stream up for a while; until then the status route alone is asked.
  #rested() {
    this.#close();
    this.#failures = 0;
    this.#restUntil = Date.now() + this.#rest;
    this.#rest = Math.min(LONGEST_REST, this.#rest * 2);
  }

  #close() {
    clearTimeout(this.#timers.open);
    this.#source?.close();
    this.#source = null;
    this.#working = false;
    this.#covered.clear();
  }

  #wake() {
    if (!this.#jobs.size) return;
    this.#restUntil = 0;
    this.#ask();
    this.#arrange();
  }

  #tick() {
    const now = Date.now();
    if (!this.#source && now >= this.#restUntil) this.#arrange();
    const quiet = now - this.#heardAt > QUIET && now - this.#askedAt > QUIET;
    if (now - this.#askedAt >= ASK_EVERY && (!this.#working || quiet || this.#jobs.size > this.#covered.size)) this.#ask(quiet);
  }

  // Two requests at a time, so that uploads and the stream keep their connections.
  async #ask(all = !this.#working) {
    if (this.#asking) return;
    this.#asking = true;
    this.#askedAt = Date.now();
    const ids = this.#turnOf([...this.#jobs.keys()].filter((id) => all || !this.#covered.has(id)));
    const line = async () => {
      for (let id = ids.pop(); id && (await this.#askFor(id)); id = ids.pop());
    };
    await Promise.all([line(), line()]);
    this.#asking = false;
  }

  // Twenty a turn: with hundreds of jobs the others come next time.
  #turnOf(ids) {
    if (ids.length <= 20) return ids;
    const start = (this.#turn = (this.#turn + 20) % ids.length);
    return [...ids.slice(start), ...ids.slice(0, start)].slice(0, 20);
  }

  // False when the service did not answer, so that the rest of the turn is left for the next.
  async #askFor(jobId) {
    if (!this.#jobs.has(jobId)) return true;
    try {
      const news = await getStatus(jobId, this.#jobs.get(jobId));
      if (!news || !this.#jobs.has(jobId)) return true;
      this.#jobs.set(jobId, news.etag);
      this.onDocument(jobId, news.document);
      return true;
    } catch (refused) {
      if (refused.status === 404 && refused.error.code === "not_found") this.onGone(jobId);
      return refused.status === 404;
    }
  }
}
