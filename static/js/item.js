// One file on its way: what is known of it, and by which rules news is taken in. No DOM, no network.

const HOPELESS = new Set(["encrypted_document", "corrupt_document", "unsupported_feature", "archive_bomb"]);
const FINAL = new Set(["completed", "failed"]);
/** How much of the bar is the upload; the rest is the reading. */
const SENDING_SHARE = 0.3;

// Not crypto.randomUUID: it is missing on plain http.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// A store that came back a second older counts its versions anew; then the time tells.
function isNewer(document, known) {
  return document.version > known.version || document.timestamps.updatedAt > known.timestamps.updatedAt;
}

/**
 * phase: "queued" | "sending" | "unsent" (may be sent again) | "refused" (never as it is) | "job" (the service has it) | "gone".
 * A job's own state is `document.status`.
 */
export class Item {
  constructor({ file = null, jobId = null, name, size, priority = null, userId = "", at = null, sha256 = null }) {
    Object.assign(this, { file, jobId, name, size, priority, userId, at, sha256 });
    this.idempotencyKey = file && randomKey();
    this.phase = jobId ? "job" : "queued";
    this.document = null;
    this.error = null;
    this.note = "";
    this.cancelling = false;
    this.sent = jobId ? 1 : 0;
    this.read = 0;
    this.heardAt = null;
    this.transfer = null;
    this.twin = null; // an earlier job with the same content: { jobId, at }
    this.resent = 0;
    this.resumes = false; // sent again by itself when the service can be reached
  }

  get status() {
    if (this.phase !== "job") return this.phase;
    const status = this.document?.status ?? "pending";
    return status === "failed" && this.document.error?.code === "cancelled" ? "cancelled" : status;
  }

  get isLive() {
    return this.phase === "job" && !FINAL.has(this.document?.status);
  }

  get isOpen() {
    return this.isLive || this.phase === "queued" || this.phase === "sending";
  }

  /** Waits for something that no pace tells the end of. */
  get isHeld() {
    return this.isLive && ["paused", "no_worker", "backoff"].includes(this.document?.waiting?.reason);
  }

  get hasFailed() {
    return ["failed", "unsent", "refused"].includes(this.status);
  }

  get canRetry() {
    return this.status === "failed" || this.status === "cancelled" || this.phase === "unsent";
  }

  /** Worth another try as it is: a file that is locked or broken stays so, however often it is read. */
  get isWorthRetrying() {
    return this.hasFailed && this.canRetry && !HOPELESS.has(this.error?.code);
  }

  /** The whole bar, 0 to 100. */
  get percentage() {
    return Math.floor(100 * (SENDING_SHARE * this.sent + (1 - SENDING_SHARE) * this.read));
  }

  /** How much of its way it has behind it, 0 to 1; what ended has all of it. */
  get share() {
    return this.isOpen ? this.percentage / 100 : 1;
  }

  renewKey() {
    this.idempotencyKey = randomKey();
  }

  queue() {
    Object.assign(this, { phase: "queued", error: null, note: "", cancelling: false, sent: 0, transfer: null, resumes: false });
  }

  sending({ loaded, total, speed }) {
    this.transfer = { loaded, total, speed };
    this.sent = Math.max(this.sent, total ? loaded / total : 0);
  }

  accepted(jobId, now) {
    Object.assign(this, { phase: "job", jobId, at: now, sent: 1, error: null, note: "", transfer: null });
  }

  failedToSend(error, { final, resumes = false }) {
    Object.assign(this, { phase: final ? "refused" : "unsent", error, resumes, note: "", cancelling: false, transfer: null });
  }

  gone() {
    Object.assign(this, { phase: "gone", cancelling: false, error: null });
  }

  /** Takes a status document in if it is newer than what is shown; says whether it was. */
  take(document, now) {
    const known = this.document;
    if (this.phase !== "job" || !document) return false;
    if (known && !isNewer(document, known)) return document.version === known.version && this.takeWaiting(document.waiting);
    const newRun = known && FINAL.has(known.status) && !FINAL.has(document.status);
    const mark = document.status === "completed" ? 1 : (document.progress?.percentage ?? 0) / 100;
    this.read = Math.min(1, newRun ? mark : Math.max(this.read, mark));
    this.document = document;
    this.name = document.file?.name ?? this.name;
    this.size = document.file?.size ?? this.size;
    this.error = document.error ?? null;
    this.heardAt = now;
    if (FINAL.has(document.status)) this.cancelling = false;
    return true;
  }

  /** A move in the queue comes without a version of its own. */
  takeWaiting(waiting) {
    if (!waiting || !this.document || !["pending", "retrying"].includes(this.document.status)) return false;
    this.document = { ...this.document, waiting };
    return true;
  }

  /** Seconds since a worker took the job. By the server's clock up to its last word, by ours after it. */
  elapsed(now) {
    const { startedAt, updatedAt } = this.document.timestamps;
    return Math.max(0, (Date.parse(updatedAt) - Date.parse(startedAt) + now - this.heardAt) / 1000) || 0;
  }
}
