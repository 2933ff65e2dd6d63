// News of jobs: at most two event streams for all of them, and asking by turns where a stream does not come through.
// It knows no page: it runs in the worker that all tabs share, or in a tab alone.
//
// A stream counts as working once it has brought an event; until then, and after it broke, the status route is asked
// every two seconds. So a blocked, buffered, slow or cut stream delays news, and never keeps the end of a job away.

import { getStatus } from "./api.js";

const MOST_IN_STREAM = 100;
const ASK_EVERY = 2000;
const OPEN_WITHIN = 5000;
/** A stream without any event for so long is doubted: its comments are invisible here. */
const QUIET = 8000;
/** When an answer was ahead of the stream, how long the stream may take to tell the same. */
const CATCH_UP = 3000;
const GATHER = 250;
const FIRST_REST = 15_000;
const LONGEST_REST = 120_000;
const FINAL = new Set(["completed", "failed"]);

/** One event stream over some of the jobs; it is opened anew to hold more. */
class Channel {
  jobs = new Set();
  working = false;
  heardAt = 0;
  #source = null;
  #failures = 0;
  #timer = null;

  constructor({ onEvent, onFailed }) {
    Object.assign(this, { onEvent, onFailed });
  }

  get isOpen() {
    return this.#source !== null;
  }

  open(ids) {
    this.close();
    this.jobs = new Set(ids);
    const source = new EventSource(`/api/ingest/events?jobs=${ids.join(",")}`);
    this.#source = source;
    this.#timer = setTimeout(() => this.onFailed({ final: true }), OPEN_WITHIN);
    for (const name of ["status", "waiting", "gone"]) {
      source.addEventListener(name, (event) => {
        if (source !== this.#source) return;
        this.#heard();
        this.onEvent(name, JSON.parse(event.data));
      });
    }
    // EventSource opens again by itself after a cut, and gives up (CLOSED) at any answer that is no stream: 503, 204.
    source.onerror = () => {
      if (source !== this.#source) return;
      this.working = false;
      this.#failures += 1;
      this.onFailed({ final: source.readyState === EventSource.CLOSED || this.#failures >= 2 });
    };
  }

  #heard() {
    clearTimeout(this.#timer);
    this.working = true;
    this.#failures = 0;
    this.heardAt = Date.now();
  }

  drop(jobId) {
    if (this.jobs.delete(jobId) && !this.jobs.size) this.close();
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.#failures = 0;
    this.working = false;
    this.jobs = new Set();
  }
}

/** `streams`: how many event streams may be open. Handlers: `onDocument(document)`, `onWaiting(news)`, `onGone(jobId)`. */
export class News {
  #jobs = new Map(); // id → { etag, version }
  #channels = [];
  #rest = FIRST_REST;
  #restUntil = 0;
  #openedAt = -Infinity;
  #askedAt = 0;
  #asking = false;
  #turn = 0;
  #arranging = null;
  #tick = null;

  constructor({ streams = 2, ...handlers }) {
    Object.assign(this, handlers);
    this.allow(streams);
  }

  /** Changes how many streams may be open. */
  allow(streams) {
    while (this.#channels.length > streams) this.#channels.pop().close();
    while (this.#channels.length < streams) {
      const channel = new Channel({
        onEvent: (name, news) => this.#event(name, news),
        onFailed: ({ final }) => this.#failed(channel, final),
      });
      this.#channels.push(channel);
    }
    this.#arrange();
  }

  watch(jobId) {
    if (this.#jobs.has(jobId)) return;
    this.#jobs.set(jobId, { etag: null, version: 0 });
    this.#tick ??= setInterval(() => this.#look(), 500);
    if (!this.#askedAt) this.#askedAt = Date.now();
    this.#arrange();
  }

  drop(jobId) {
    if (!this.#jobs.delete(jobId)) return;
    this.#channels.forEach((channel) => channel.drop(jobId));
    if (this.#jobs.size) return this.#arrange();
    clearInterval(this.#tick);
    this.#tick = null;
    this.#askedAt = 0;
  }

  /** The network is back, or somebody looks again: no more resting. */
  wake() {
    if (!this.#jobs.size) return;
    this.#restUntil = 0;
    this.#ask(true);
    this.#arrange();
  }

  close() {
    for (const jobId of [...this.#jobs.keys()]) this.drop(jobId);
  }

  #channelOf(jobId) {
    return this.#channels.find((channel) => channel.jobs.has(jobId));
  }

  #event(name, news) {
    if (!this.#jobs.has(news.jobId)) return;
    this.#rest = FIRST_REST;
    if (name === "status") this.#told(news);
    else if (name === "waiting") this.onWaiting(news);
    else this.#gone(news.jobId);
  }

  #told(document) {
    const { jobId, version, status } = document;
    this.#jobs.get(jobId).version = version;
    this.onDocument(document);
    if (FINAL.has(status)) this.drop(jobId);
  }

  #gone(jobId) {
    this.onGone(jobId);
    this.drop(jobId);
  }

  // Jobs that no stream holds go to the channel that has the fewest. An idle one opens at once; where that means to open
  // a busy one anew, jobs that come in a burst share the opening.
  #arrange() {
    if (this.#arranging !== null || Date.now() < this.#restUntil) return;
    const anyIdle = this.#channels.some(({ jobs }) => !jobs.size);
    const since = anyIdle ? GATHER : performance.now() - this.#openedAt;
    this.#arranging = setTimeout(() => {
      this.#arranging = null;
      const missing = [...this.#jobs.keys()].filter((id) => !this.#channelOf(id));
      const [channel] = this.#channels.filter(({ jobs }) => jobs.size < MOST_IN_STREAM).sort((a, b) => a.jobs.size - b.jobs.size);
      if (!missing.length || !channel || Date.now() < this.#restUntil) return;
      this.#openedAt = performance.now();
      channel.open([...channel.jobs, ...missing].slice(0, MOST_IN_STREAM));
      if (missing.length > channel.jobs.size) this.#arrange();
    }, Math.max(0, GATHER - since));
  }

  // A stream that does not come through is given up for a while; until then the status route alone is asked.
  #failed(channel, final) {
    if (final) {
      channel.close();
      this.#restUntil = Date.now() + this.#rest;
      this.#rest = Math.min(LONGEST_REST, this.#rest * 2);
    }
    this.#ask();
  }

  #isTold(jobId) {
    return this.#channelOf(jobId)?.working ?? false;
  }

  #look() {
    const now = Date.now();
    this.#arrange();
    const heardAt = Math.max(...this.#channels.map((channel) => channel.heardAt), 0);
    const quiet = now - heardAt > QUIET && now - this.#askedAt > QUIET;
    const untold = [...this.#jobs.keys()].some((id) => !this.#isTold(id));
    if (now - this.#askedAt >= ASK_EVERY && (untold || quiet)) this.#ask(quiet);
  }

  // Two requests at a time, so that uploads and the streams keep their connections.
  async #ask(all = false) {
    if (this.#asking) return;
    this.#asking = true;
    this.#askedAt = Date.now();
    const ids = this.#turnOf([...this.#jobs.keys()].filter((id) => all || !this.#isTold(id)));
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
    const known = this.#jobs.get(jobId);
    if (!known) return true;
    try {
      const news = await getStatus(jobId, known.etag);
      if (!news || this.#jobs.get(jobId) !== known) return true;
      known.etag = news.etag;
      if (news.document.version > known.version) this.#doubt(this.#channelOf(jobId));
      this.#told(news.document);
      return true;
    } catch (refused) {
      if (refused.status === 404 && refused.error.code === "not_found") this.#gone(jobId);
      return refused.status === 404;
    }
  }

  #doubt(channel) {
    if (!channel?.working) return;
    const asked = Date.now();
    const { jobs } = channel;
    setTimeout(() => {
      if (channel.jobs === jobs && jobs.size && channel.working && channel.heardAt < asked) this.#failed(channel, true);
    }, CATCH_UP);
  }
}
