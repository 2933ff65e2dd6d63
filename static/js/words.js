// Numbers and states as a person reads them. Pure: what time it is comes in.

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (count >= 999.5 && unit < 4) {
    count /= 1000;
    unit += 1;
  }
  return `${unit && count < 99.95 ? count.toFixed(1) : Math.round(count)} ${units[unit]}`;
}

export function seconds(count) {
  const whole = Math.max(0, Math.round(count));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 172_800) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86_400)} days`;
}

export function clock(iso) {
  const at = new Date(iso);
  return Number.isNaN(at.valueOf()) ? "" : at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A rough time, for what can only be guessed. */
export function about(count) {
  if (count < 8) return "a few seconds";
  if (count < 50) return `about ${Math.ceil(count / 10) * 10} s`;
  const minutes = Math.max(1, Math.round(count / 60));
  return minutes < 90 ? `about ${plural(minutes, "minute")}` : `about ${plural(Math.round(minutes / 60), "hour")}`;
}

/** "24 Nov", with the year where it is another; for today "today at 14:05". */
export function day(at, now) {
  const [then, today] = [new Date(at), new Date(now)];
  if (Number.isNaN(then.valueOf())) return "";
  if (then.toDateString() === today.toDateString()) return `today at ${then.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
  const year = then.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year });
}

/** Why a job waits, and for how long. */
export function waitingWords({ waiting, nextRetryAt, attempt, maxAttempts, error }, now) {
  if (waiting?.reason === "paused") return "Waiting: this priority is paused by the operator";
  if (waiting?.reason === "no_worker") return "Waiting: no worker for this priority is running";
  if (waiting?.reason === "backoff") {
    if (error?.code === "worker_lost") return "Another worker takes over"; // no attempt of the file's own
    const left = (Date.parse(nextRetryAt) - now) / 1000;
    const due = left > 0 ? ` at ${clock(nextRetryAt)}, in ${seconds(left)}` : " now";
    return `Attempt ${attempt + 1} of ${maxAttempts}${due}`;
  }
  const ahead = waiting?.reason === "behind_jobs" && waiting.jobsAhead > 0 ? `${plural(waiting.jobsAhead, "job")} ahead` : "Next in line";
  return Number.isFinite(waiting?.estimatedSeconds) ? `${ahead}, about ${seconds(Math.ceil(waiting.estimatedSeconds))}` : ahead;
}

/** The named step of a job that is being read. */
export function stepWords({ currentStep, details, pagesDone, pagesTotal }) {
  const where = pagesTotal ? `page ${pagesDone} of ${pagesTotal}` : details;
  return [currentStep || "Reading", where].filter(Boolean).join(" · ");
}

/** What came out of a finished job. */
export function resultWords({ pages, words, durationMs, title }) {
  return [
    plural(pages ?? 0, "page"),
    plural(words ?? 0, "word"),
    Number.isFinite(durationMs) && `read in ${durationMs < 1000 ? `${Math.round(durationMs)} ms` : `${(durationMs / 1000).toFixed(1)} s`}`,
    title,
  ].filter(Boolean).join(" · ");
}
