/**
 * A client of the file ingestion service, for browsers and for Node 18 or later, without dependencies: upload with
 * progress, wait, events that go on where a connection broke, result. While the service is away or busy, calls are
 * repeated; every method rejects with an IngestError.
 *
 * @typedef {"urgent" | "high" | "medium" | "low"} Priority
 * @typedef {"text" | "markdown" | "json"} Form
 * @typedef {{name?: string, size: number, stream: () => ReadableStream<Uint8Array>}} Source what is uploaded: a File, a
 *   Blob, or what `openFile` gives
 * @typedef {{name: string, data: any, id: string}} Event `name` is status (then `data` is the status document), waiting
 *   or gone; `id` is what a stream can go on after
 * @typedef {Record<string, any>} Document JSON of the service, as docs/api.md tells it
 */

const FINAL = ["completed", "failed"];
const ANSWER_MS = 120_000;
/** The service lets itself be heard at least every 15 s. */
const SILENCE_MS = 45_000;
const POLL_SECONDS = 20;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/** What went wrong: `code` for programs (`unreachable`, `aborted` and `not_this_service` are the client's own), `message`
 * and `suggestion` for people. `retryable`: the same call may go well later. `status` is the HTTP status, 0 without one. */
export class IngestError extends Error {
  /** @param {Document} error @param {{status?: number, retryAfter?: number, cause?: unknown}} [from] */
  constructor(error, { status = 0, retryAfter, cause } = {}) {
    super(String(error.message ?? ""), { cause });
    this.name = "IngestError";
    this.code = String(error.code ?? "");
    this.suggestion = String(error.suggestion ?? "");
    this.retryable = error.retryable === true;
    this.field = error.field ?? null;
    this.status = status;
    /** Seconds, where the service said so. */
    this.retryAfter = retryAfter;
  }

  /** Whether the same request is worth repeating in a moment. */
  get isPassing() {
    return this.retryable || this.status === 429 || this.code === "idempotency_running";
  }
}

export class Client {
  #base;
  #headers;
  #patienceMs;
  #wasReached = false;

  /** @param {string} [url] in a browser by default the service that the page came from
   * @param {{token?: string, patience?: number}} [options] `token` is the admin's; `patience` is for how many seconds a
   *   call is repeated. Where nobody has answered yet it is not: a wrong address is told at once. */
  constructor(url = "/", { token, patience = 120 } = {}) {
    this.#base = new URL(url, globalThis.location?.href).href.replace(/\/+$/, "");
    this.#headers = token ? { Authorization: `Bearer ${token}` } : {};
    this.#patienceMs = patience * 1000;
  }

  /** Send a file, piece by piece; resolves with the 202's document when the service has it safe. All attempts share an
   * Idempotency-Key (`key`, or a new one), so that none makes a second job. `progress` is told the bytes sent and the
   * bytes there are; they begin anew where a broken upload is repeated.
   * @param {Source} file
   * @param {{name?: string, priority?: Priority, userId?: string, key?: string, signal?: AbortSignal,
   *   progress?: (sent: number, size: number) => void}} [options]
   * @returns {Promise<Document>} */
  async upload(file, { name = file.name ?? "file", priority = "medium", userId, key, progress, signal } = {}) {
    const query = new URLSearchParams({ priority, ...(userId ? { userId } : {}) });
    const url = `${this.#base}/api/ingest/start/${encodeURIComponent(name)}?${query}`;
    const headers = { ...this.#headers, "Idempotency-Key": key ?? (await newKey()) };
    const send = typeof XMLHttpRequest === "undefined" ? sentByNode : sentByBrowser;
    const reached = () => (this.#wasReached = true);
    const accepted = await this.#patiently(async () => {
      const answer = await this.#reach(() => send(url, file, { headers, progress, signal, reached }), signal);
      return documentOf(answer.status, answer.retryAfter, answer.body);
    }, signal);
    if (typeof accepted.jobId === "string") return accepted;
    throw notThisService(200);
  }

  /** @param {string} job @param {{signal?: AbortSignal}} [options] @returns {Promise<Document>} the job as it is now */
  status(job, { signal } = {}) {
    return this.#document("GET", pathOf("status", job), signal);
  }

  /** The job's last state; where `seconds` are over before, its state then.
   * @param {string} job @param {{seconds?: number, signal?: AbortSignal}} [options] @returns {Promise<Document>} */
  async wait(job, { seconds = Infinity, signal } = {}) {
    const until = Date.now() + seconds * 1000;
    let etag = "";
    let document;
    while (!document || (!FINAL.includes(document.status) && Date.now() < until)) {
      const asked = Date.now();
      const left = Math.min(POLL_SECONDS, (until - asked) / 1000);
      const path = `${pathOf("status", job)}?wait=${document ? Math.max(left, 0).toFixed(3) : 0}`;
      const known = etag ? { "If-None-Match": etag } : {};
      const answer = await this.#fetch("GET", path, { headers: known, signal }, async (response) => ({
        etag: response.headers.get("ETag") ?? "",
        pause: Number(response.headers.get("Retry-After") ?? 2),
        document: response.status === 304 ? null : await jsonOf(response),
      }));
      etag = answer.etag;
      if (answer.document) document = answer.document;
      else if (Date.now() - asked < left * 500) await sleep(Math.min(answer.pause, left) * 1000, signal); // it is full
    }
    return document;
  }

  /** What happens to a job, or to up to 100 of them, until all have ended; after `lastId` where that is given. A broken
   * stream goes on where it ended, none told twice and none left out.
   * @param {string | string[]} jobs @param {{lastId?: string, signal?: AbortSignal}} [options]
   * @returns {AsyncGenerator<Event, void, void>} */
  async *events(jobs, { lastId = "", signal } = {}) {
    const followed = [jobs].flat();
    const query = new URLSearchParams({ jobs: followed.join(",") });
    const path = followed.length === 1 ? pathOf("events", followed[0]) : `/api/ingest/events?${query}`;
    const open = new Set(followed);
    for (let pause = 0; open.size; pause = Math.min(pause + FIRST_PAUSE_MS, LONGEST_PAUSE_MS)) {
      await sleep(pause, signal);
      const stop = new AbortController();
      const response = await this.#opened(path, lastId ? { "Last-Event-ID": lastId } : {}, stop, signal);
      if (response.status === 204) return;
      try {
        for await (const event of eventsOf(response.body, stop)) {
          pause = 0;
          lastId = event.id || lastId;
          if (event.name === "gone" || FINAL.includes(event.data.status)) open.delete(event.data.jobId);
          yield event;
        }
      } finally {
        stop.abort();
      }
      if (signal?.aborted) throw aborted(signal);
    }
  }

  /** The whole result, or with one page of it.
   * @param {string} job @param {{page?: number, signal?: AbortSignal}} [options] @returns {Promise<Document>} */
  result(job, { page, signal } = {}) {
    return this.#document("GET", resultPath(job, "json", page), signal);
  }

  /** As one string: for a large result see `stream`.
   * @param {string} job @param {{form?: Form, page?: number, signal?: AbortSignal}} [options] @returns {Promise<string>} */
  text(job, { form = "text", page, signal } = {}) {
    return this.#fetch("GET", resultPath(job, form, page), { signal }, (response) => response.text());
  }

  /** The same piece by piece; what breaks off rejects, and is not repeated.
   * @param {string} job @param {{form?: Form, page?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<ReadableStream<Uint8Array>>} */
  async stream(job, { form = "text", page, signal } = {}) {
    return (await this.#opened(resultPath(job, form, page), {}, new AbortController(), signal)).body;
  }

  /** Stop it, queued or running. @param {string} job @returns {Promise<Document>} */
  cancel(job) {
    return this.#document("POST", pathOf("cancel", job));
  }

  /** Run a failed job again, or a retrying one now. @param {string} job @returns {Promise<Document>} */
  retry(job) {
    return this.#document("POST", pathOf("retry", job));
  }

  /** Remove the job with its file and result; whether there was one. @param {string} job @returns {Promise<boolean>} */
  async delete(job) {
    try {
      await this.#fetch("DELETE", pathOf("jobs", job), {}, (response) => response.text());
      return true;
    } catch (error) {
      if (error instanceof IngestError && error.code === "not_found") return false;
      throw error;
    }
  }

  // ---- one request ---------------------------------------------------------------------------------------------

  #document(method, path, signal) {
    return this.#fetch(method, path, { signal }, jsonOf);
  }

  /** What `read` makes of the answer, within ANSWER_MS; repeated with patience. */
  #fetch(method, path, { headers = {}, signal }, read) {
    return this.#patiently(async () => {
      const stop = new AbortController();
      const timer = setTimeout(() => stop.abort(), ANSWER_MS);
      try {
        const response = await this.#answer(method, path, headers, stop, signal);
        return await this.#reach(() => read(response), signal);
      } finally {
        clearTimeout(timer);
      }
    }, signal);
  }

  /** An answer whose body is still to be read; `stop` ends it. */
  #opened(path, headers, stop, signal) {
    return this.#patiently(async () => {
      const timer = setTimeout(() => stop.abort(), SILENCE_MS);
      try {
        return await this.#answer("GET", path, headers, stop, signal);
      } finally {
        clearTimeout(timer);
      }
    }, signal);
  }

  async #answer(method, path, headers, stop, signal) {
    signal?.addEventListener("abort", () => stop.abort(), { once: true });
    if (signal?.aborted) throw aborted(signal);
    const options = { method, headers: { ...this.#headers, ...headers }, signal: stop.signal, cache: "no-store" };
    const response = await this.#reach(() => fetch(this.#base + path, options), signal);
    this.#wasReached = true;
    if (response.status < 400) return response;
    const body = await this.#reach(() => response.text(), signal);
    return documentOf(response.status, response.headers.get("Retry-After"), body);
  }

  /** What the network does to a request, as the one exception of this client. */
  async #reach(once, signal) {
    try {
      return await once();
    } catch (cause) {
      if (cause instanceof IngestError) throw cause;
      if (signal?.aborted) throw aborted(signal);
      const message = `Nobody answers at ${this.#base}.`;
      const suggestion = "Check the address, and that the service runs.";
      throw new IngestError({ code: "unreachable", message, suggestion, retryable: this.#wasReached }, { cause });
    }
  }

  async #patiently(once, signal) {
    const until = Date.now() + this.#patienceMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        return await once();
      } catch (error) {
        const left = until - Date.now();
        if (!(error instanceof IngestError && error.isPassing) || left <= 0) throw error;
        await sleep(Math.min(error.retryAfter ? error.retryAfter * 1000 : pause, left), signal);
      }
    }
  }
}

/** A file on the disk of Node, to be uploaded without being held in memory.
 * @param {string} path @returns {Promise<Source>} */
export async function openFile(path) {
  const [{ createReadStream }, { stat }, { basename }, { Readable }] = await Promise.all(
    ["node:fs", "node:fs/promises", "node:path", "node:stream"].map((name) => import(name)),
  );
  const { size } = await stat(path);
  return { name: basename(path), size, stream: () => Readable.toWeb(createReadStream(path)) };
}

// ---- bodies on their way ---------------------------------------------------------------------------------------

/** `fetch` tells no progress in a browser. */
function sentByBrowser(url, file, { headers, progress, signal, reached }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      reached();
      progress?.(event.loaded, event.total);
    };
    const body = () => ({
      status: request.status,
      retryAfter: request.getResponseHeader("Retry-After"),
      body: request.responseText,
    });
    request.onload = () => resolve(body());
    request.onerror = () => reject(new Error("the connection broke"));
    request.onabort = request.onerror;
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}

/** An answer that comes before all is sent is seen here; `fetch` would tell a broken connection. */
async function sentByNode(url, file, { headers, progress, signal, reached }) {
  const { request } = await import(url.startsWith("https:") ? "node:https" : "node:http");
  const sending = request(url, { method: "PUT", headers: { ...headers, "Content-Length": file.size }, signal });
  sending.setTimeout(ANSWER_MS, () => sending.destroy(new Error("silence")));
  const answered = new Promise((resolve, reject) => {
    sending.on("response", (response) => {
      reached();
      let body = "";
      response.setEncoding("utf8").on("data", (piece) => (body += piece));
      response.on("end", () =>
        response.complete
          ? resolve({ status: response.statusCode, retryAfter: response.headers["retry-after"], body })
          : reject(new Error("the answer broke off")),
      );
      response.on("error", reject);
    });
    sending.on("socket", (socket) => socket.once("connect", reached));
    sending.on("error", reject);
    sending.on("close", () => reject(new Error("the connection broke")));
  });
  answered.catch(() => {}); // it is awaited below, maybe after it was rejected
  let sent = 0;
  for await (const piece of file.stream()) {
    if (sending.destroyed || sending.writableEnded) break;
    if (!sending.write(piece)) await Promise.race([once(sending, "drain"), answered.catch(() => {})]);
    progress?.((sent += piece.length), file.size);
  }
  sending.end();
  try {
    return await answered;
  } finally {
    sending.destroy();
  }
}

const once = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));

/** The events of one connection, as far as it holds. */
async function* eventsOf(body, stop) {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  let event = { name: "message", data: "", id: "" };
  for (;;) {
    const timer = setTimeout(() => stop.abort(), SILENCE_MS);
    const { done, value } = await reader.read().catch(() => ({ done: true, value: undefined }));
    clearTimeout(timer);
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const [, field, data] = /^([^:]*):? ?(.*?)\r?$/s.exec(line);
      if (field === "event") event.name = data;
      else if (field === "id") event.id = data;
      else if (field === "data") event.data += data;
      else if (line.trim() === "") {
        if (event.data) yield { ...event, data: JSON.parse(event.data) };
        event = { name: "message", data: "", id: "" };
      }
    }
  }
}

// ---- answers ---------------------------------------------------------------------------------------------------

/** The JSON of an answer; throws the error that it tells. */
function documentOf(status, retryAfter, text) {
  let document = null;
  try {
    document = JSON.parse(text);
  } catch {
    // not of this service: told below
  }
  if (status < 400 && document) return document;
  const from = { status, retryAfter: /^\d+$/.test(retryAfter ?? "") ? Number(retryAfter) : undefined };
  throw document?.error ? new IngestError(document.error, from) : notThisService(status);
}

async function jsonOf(response) {
  return documentOf(response.status, null, await response.text());
}

/** Also what a proxy answers while the service behind it is away. */
function notThisService(status) {
  const away = [502, 503, 504].includes(status);
  const message = `The answer was not that of this service (HTTP ${status}).`;
  return new IngestError({ code: away ? "unreachable" : "not_this_service", message, retryable: away }, { status });
}

function aborted(signal) {
  return new IngestError({ code: "aborted", message: "The call was given up." }, { cause: signal.reason });
}

function pathOf(verb, job) {
  return `/api/ingest/${verb}/${encodeURIComponent(job)}`;
}

function resultPath(job, format, page) {
  return `${pathOf("result", job)}?${new URLSearchParams({ format, ...(page ? { page: String(page) } : {}) })}`;
}

async function newKey() {
  const crypto = globalThis.crypto ?? (await import("node:crypto")).webcrypto; // Node 18 has it there
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Rejects as soon as the signal is aborted. */
function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(aborted(signal));
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(aborted(signal))), { once: true });
  });
}
