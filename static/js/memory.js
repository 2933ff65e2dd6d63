// This browser's jobs, newest first, in localStorage: which may be closed, full, or hold anybody's text.

const KEY = "ingest.jobs";
const MOST = 100;
export const isJobId = (text) => typeof text === "string" && /^job_[0-9a-z]{2,64}$/.test(text);
const isHash = (text) => typeof text === "string" && /^[0-9a-f]{64}$/.test(text);

function read() {
  let kept;
  try {
    kept = JSON.parse(localStorage.getItem(KEY));
  } catch {
    return [];
  }
  if (!Array.isArray(kept)) return [];
  return kept
    .filter((entry) => isJobId(entry?.jobId) && typeof entry.name === "string")
    .map(({ jobId, name, size, at, sha256 }) => ({
      jobId,
      name: name.slice(0, 300),
      size: Number.isFinite(size) ? size : null,
      at: Number.isFinite(at) ? at : null,
      sha256: isHash(sha256) ? sha256 : null,
    }))
    .filter((entry, index, all) => all.findIndex((other) => other.jobId === entry.jobId) === index)
    .slice(0, MOST);
}

// Each change reads first: another tab may have written since.
function change(alter) {
  try {
    localStorage.setItem(KEY, JSON.stringify(alter(read()).slice(0, MOST)));
  } catch {
    // The page works without a memory.
  }
}

export const recall = read;
export const forget = (jobIds) => change((kept) => kept.filter((entry) => !jobIds.includes(entry.jobId)));

export function remember({ jobId, name, size, at, sha256 }) {
  change((kept) => [{ jobId, name, size, at, sha256 }, ...kept.filter((entry) => entry.jobId !== jobId)]);
}

/** Adds the hash of a job's content to what is known of it. */
export function rememberHash(jobId, sha256) {
  change((kept) => kept.map((entry) => (entry.jobId === jobId ? { ...entry, sha256 } : entry)));
}

/** The latest other job of this browser with the same content. */
export function twinOf({ jobId, sha256 }) {
  return read().find((entry) => sha256 && entry.sha256 === sha256 && entry.jobId !== jobId) ?? null;
}

/** Tells what another tab has added or taken away. */
export function onOtherTab(tell) {
  addEventListener("storage", (event) => {
    if (event.key === KEY || event.key === null) tell(read());
  });
}
