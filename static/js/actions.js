// What a person can do with a file of the list.

import { getText, post, resultPath } from "./api.js";
import { copy as copyText, label } from "./dom.js";

function flash(control, word, about) {
  label(control, word, about);
  setTimeout(() => label(control, "Copy", about), 1500);
}

/** `changed(item)` is told after each step; `removed(items)` takes rows off the page, `say` tells aloud. */
export function actionsWith({ uploads, changed, removed, say }) {
  // The status document that comes back is news like any other.
  async function ask(item, verb) {
    try {
      item.take(await post(`/api/ingest/${verb}/${item.jobId}`), Date.now());
      item.note = "";
    } catch (refused) {
      if (refused.status === 404) item.gone();
      else if (refused.error?.code !== "wrong_state") item.note = `${refused.error?.message ?? "That did not work."} The job is as it was.`;
      item.cancelling = false;
    }
    changed(item);
  }

  return {
    cancel(item) {
      if (item.phase !== "job") return uploads.cancel(item);
      item.cancelling = true;
      changed(item);
      return ask(item, "cancel");
    },

    retry(item) {
      return item.phase === "unsent" ? uploads.add(item) : ask(item, "retry");
    },

    async copy(item, control) {
      try {
        await copyText(await getText(resultPath(item.jobId, "text")));
        flash(control, "Copied", item.name);
      } catch {
        flash(control, "Not copied", item.name);
      }
    },

    remove: (item) => removed([item]),
    say,
  };
}
