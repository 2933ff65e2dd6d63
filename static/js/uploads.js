// The queue of uploads: three at a time, in the order of choosing, each under its own key so that a repeat is no second job.

import { ABORTED, send } from "./transfer.js";
import { isJobId } from "./memory.js";

const AT_ONCE = 3;
/** How often a repeat is sent again while the service still holds the cut one under the same key. */
const PATIENCE = 12;

/** How often an upload is sent again by itself; then a person decides. */
const MOST_RESENT = 5;
const UNREADABLE = {
  code: "unreadable",
  message: "The file was changed, moved or removed since it was chosen.",
  suggestion: "Choose it again.",
};

// A request fails in the same way when the line is cut and when the file went away under it.
async function isReadable(file) {
  return file.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

export class Uploads {
  #waiting = [];
  #running = new Map();

  constructor({ onChange, onAccepted, onFailed }) {
    Object.assign(this, { onChange, onAccepted, onFailed });
  }

  get isBusy() {
    return this.#running.size + this.#waiting.length > 0;
  }

  /** Sends again what could not be sent because the service was not to be reached. */
  resume(item) {
    item.resent += 1;
    this.add(item);
  }

  add(item) {
    item.queue();
    this.#waiting.push(item);
    this.onChange(item);
    this.#next();
  }

  /** Stops an upload. Once all bytes have left, the job may exist: then it is cancelled as a job as soon as its id is known. */
  cancel(item) {
    const place = this.#waiting.indexOf(item);
    if (place >= 0) {
      this.#waiting.splice(place, 1);
      item.failedToSend(ABORTED.error, { final: false });
      this.onFailed(item);
      return;
    }
    if (item.sent < 1 || item.cancelling) this.#running.get(item)?.abort();
    item.cancelling = true;
    this.onChange(item);
  }

  #next() {
    while (this.#running.size < AT_ONCE && this.#waiting.length) this.#run(this.#waiting.shift());
  }

  async #run(item) {
    item.phase = "sending";
    this.#running.set(item, { abort() {} });
    this.onChange(item);
    try {
      const jobId = await this.#persist(item);
      item.accepted(jobId, Date.now());
      this.onAccepted(item);
    } catch (refused) {
      // A file that changed on the disk is another upload.
      if (refused.error.code === "idempotency_mismatch") item.renewKey();
      const unreachable = refused.status === 0 && refused.error.code === "unreachable";
      if (unreachable && !(await isReadable(item.file))) item.failedToSend(UNREADABLE, { final: true });
      else item.failedToSend(refused.error, { final: isFinal(refused), resumes: unreachable && item.resent < MOST_RESENT });
      this.onFailed(item);
    } finally {
      this.#running.delete(item);
      this.#next();
    }
  }

  async #persist(item) {
    for (let left = PATIENCE; ; left -= 1) {
      try {
        const transfer = send(item, (progress) => {
          item.sending(progress);
          this.onChange(item);
        });
        this.#running.set(item, transfer);
        const jobId = await transfer.done;
        if (!isJobId(jobId)) throw new TypeError("no job id");
        return jobId;
      } catch (refused) {
        if (refused.error?.code !== "idempotency_running" || !left || item.cancelling) throw asRefusal(refused);
        item.note = "The service is still closing the first attempt; sending again shortly";
        this.onChange(item);
        await this.#pause(item, (refused.retryAfter ?? 3) * 1000);
        item.note = "";
        if (item.cancelling) throw ABORTED;
      }
    }
  }

  #pause(item, milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#running.set(item, { abort: () => (clearTimeout(timer), resolve()) });
    });
  }
}

function asRefusal(failure) {
  return failure.error ? failure : { status: 502, error: { code: "bad_answer", message: "The answer of the service was not understood.", suggestion: "Try again in a moment." } };
}

// What the service has judged by its content is not sent again; what was cut, busy or in the way may be.
function isFinal({ status, error }) {
  return [400, 413, 415, 422].includes(status) && error.code !== "incomplete_body" && error.code !== "idempotency_mismatch";
}
