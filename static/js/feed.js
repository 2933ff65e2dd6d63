// Where a tab gets its news from: the worker that all tabs share; in a browser without one, from here, and then at most
// two tabs hold a stream (a lock counts them) and the others ask by turns.

const SIGN_OF_LIFE = 15_000;
const ANSWERS_WITHIN = 4000;
/** After so many signs of life without an answer the worker is given up. */
const PATIENCE = 3;

export class Feed {
  #jobs = new Set();
  #port = null;
  #alone = null;
  #isAlone = false;
  #unanswered = 0;
  #syncing = false;

  constructor({ onDocument, onWaiting, onGone }) {
    Object.assign(this, { onDocument, onWaiting, onGone });
    this.#connect();
    setInterval(() => this.#signOfLife(), SIGN_OF_LIFE);
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
    addEventListener("pagehide", () => this.#leave());
    addEventListener("pageshow", (event) => event.persisted && !this.#isAlone && this.#connect());
  }

  watch(jobId) {
    if (this.#jobs.has(jobId)) return;
    this.#jobs.add(jobId);
    if (this.#alone) this.#alone.watch(jobId);
    else this.#soon();
  }

  drop(jobId) {
    if (!this.#jobs.delete(jobId)) return;
    if (this.#alone) this.#alone.drop(jobId);
    else this.#soon();
  }

  #connect() {
    try {
      const worker = new SharedWorker(new URL("./feed-worker.js", import.meta.url), { type: "module", name: "ingest-feed-1" });
      worker.onerror = () => this.#goAlone();
      this.#port = worker.port;
      this.#unanswered = 0;
      this.#port.onmessage = ({ data }) => {
        this.#unanswered = 0;
        clearTimeout(deadline);
        data.forEach((message) => this.#tell(message));
      };
      const deadline = setTimeout(() => this.#goAlone(), ANSWERS_WITHIN);
      this.#sync();
    } catch {
      this.#goAlone();
    }
  }

  #tell({ document, waiting, gone }) {
    if (document) this.onDocument(document.jobId, document);
    else if (waiting) this.onWaiting(waiting.jobId, waiting.waiting);
    else this.onGone(gone);
  }

  #soon() {
    if (this.#syncing) return;
    this.#syncing = true;
    queueMicrotask(() => {
      this.#syncing = false;
      this.#sync();
    });
  }

  #sync(wake = false) {
    this.#port?.postMessage({ jobs: [...this.#jobs], wake });
  }

  #signOfLife() {
    if (!this.#port) return;
    this.#unanswered += 1;
    if (this.#unanswered > PATIENCE) this.#goAlone();
    else this.#sync();
  }

  #wake() {
    if (this.#alone) this.#alone.wake();
    else this.#sync(true);
  }

  #leave() {
    this.#port?.postMessage({ bye: true });
    this.#port?.close();
    this.#port = null;
  }

  // Only now is fetched what the worker would have done.
  async #goAlone() {
    this.#leave();
    if (this.#isAlone) return;
    this.#isAlone = true;
    const { News } = await import("./stream.js");
    this.#alone = new News({
      streams: 0,
      onDocument: (document) => this.#tell({ document }),
      onWaiting: (waiting) => this.#tell({ waiting }),
      onGone: (gone) => this.#tell({ gone }),
    });
    this.#jobs.forEach((jobId) => this.#alone.watch(jobId));
    oneOfTwo(() => this.#alone.allow(1));
  }
}

/** Calls `granted` when this tab is one of the two of this browser that may; it stays so until the tab is closed. */
function oneOfTwo(granted) {
  const other = new AbortController();
  const first = (mine) => {
    if (other.signal.aborted) return null;
    other.abort();
    granted(mine);
    return new Promise(() => {});
  };
  for (const place of [0, 1]) navigator.locks?.request(`ingest.stream.${place}`, { signal: other.signal }, first).catch(() => {});
}
