// One upload by XHR, the only way that tells how much has left: progress with speed, and an abort.

import { Refusal, refusal } from "./api.js";

export const ABORTED = new Refusal(0, {
  code: "aborted",
  message: "The upload was cancelled.",
  suggestion: "Nothing was kept of it.",
});

// Speed over the last seconds: the average of the whole upload hides that a line has become slow.
function speedometer() {
  const seen = [];
  return (loaded, now) => {
    seen.push({ loaded, now });
    while (seen.length > 2 && now - seen[0].now > 4000) seen.shift();
    const span = now - seen[0].now;
    return span > 300 ? ((loaded - seen[0].loaded) * 1000) / span : null;
  };
}

function body({ file, priority, userId }) {
  const form = new FormData();
  if (priority) form.append("priority", priority);
  if (userId) form.append("userId", userId);
  form.append("file", file, file.name);
  return form;
}

/** Sends the item's file; `done` gives the job id or fails with a Refusal. */
export function send(item, onProgress) {
  const xhr = new XMLHttpRequest();
  const speedOf = speedometer();
  const done = new Promise((resolve, reject) => {
    xhr.upload.onprogress = ({ loaded, total }) => onProgress({ loaded, total, speed: speedOf(loaded, performance.now()) });
    xhr.onload = () => {
      if (xhr.status !== 202) return reject(refusal(xhr.status, xhr.responseText, xhr.getResponseHeader("Retry-After")));
      try {
        resolve(JSON.parse(xhr.responseText).jobId);
      } catch {
        reject(refusal(502, ""));
      }
    };
    xhr.onerror = () => reject(refusal(0));
    xhr.onabort = () => reject(ABORTED);
  });
  xhr.open("POST", "/api/ingest/start");
  xhr.setRequestHeader("Idempotency-Key", item.idempotencyKey);
  xhr.setRequestHeader("Accept", "application/json");
  xhr.send(body(item));
  return { done, abort: () => xhr.abort() };
}
