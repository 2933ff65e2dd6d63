// This browser's jobs, newest first, in localStorage: which may be closed, full, or hold anybody's text.

const KEY = "ingest.jobs";
const MOST = 100;
export const isJobId = (text) => typeof text === "string" && /^job_[0-9a-z]{2,64}$/.test(text);

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
    .map(({ jobId, name, size }) => ({ jobId, name: name.slice(0, 300), size: Number.isFinite(size) ? size : null }))
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
export const remember = ({ jobId, name, size }) => change((kept) => [{ jobId, name, size }, ...kept.filter((entry) => entry.jobId !== jobId)]);
export const forget = (jobIds) => change((kept) => kept.filter((entry) => !jobIds.includes(entry.jobId)));

/** Tells what another tab has added or taken away. */
export function onOtherTab(tell) {
  addEventListener("storage", (event) => {
    if (event.key === KEY || event.key === null) tell(read());
  });
}
