// Numbers, times and acts as an operator reads them. Pure: what time it is comes in.

import { clock, plural, seconds } from "./words.js";

export const figure = (value, digits = 1) => (Number.isFinite(value) ? value.toLocaleString("en", { maximumFractionDigits: digits }) : "–");
export const percent = (share) => (Number.isFinite(share) ? `${figure(share * 100)} %` : "–");
export const ago = (iso, now) => (iso ? `${seconds((now - Date.parse(iso)) / 1000)} ago` : "never");

/** Seconds, short: 240 ms, 1.4 s, 3 min 20 s, 20 min. */
export function lasting(value) {
  if (!Number.isFinite(value)) return "–";
  if (value >= 60 && value % 60 === 0 && value < 3600) return `${value / 60} min`;
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  return value < 60 ? `${figure(value)} s` : seconds(value);
}

/** The time of day; with its day where that is not today. */
export function moment(iso, now) {
  if (!iso) return "–";
  const day = (at) => new Date(at).toLocaleDateString([], { year: "numeric", month: "short", day: "numeric" });
  return day(iso) === day(now) ? clock(iso) : `${day(iso)}, ${clock(iso)}`;
}

/** Each act: what it is called, what it did, and what somebody should know before. */
export const ACTS = {
  retry: { verb: "Retry", done: "retried", note: "Failed jobs begin a new run; jobs that wait for another attempt are tried at once." },
  cancel: { verb: "Cancel", done: "cancelled", note: "Jobs that are being read are stopped. They end as failed, with the code cancelled, and can be retried." },
  delete: { verb: "Delete", done: "deleted", note: "Record, uploaded file and result go for good.", isFinal: true },
  priority: { verb: "Change the priority of", done: "moved", note: "Jobs that wait keep their age in the new line." },
  cleanup: { verb: "Remove", done: "removed", note: "Ended jobs go for good, with their results.", isFinal: true },
  pause: { verb: "Pause", done: "paused", note: "Uploads are still taken. Jobs of this priority wait until it is resumed; those that are being read are finished." },
  resume: { verb: "Resume", done: "resumed", note: "Workers take jobs of this priority again at once." },
};

/** A filter in words: "failed jobs of priority low with the code job_timeout". */
export function filterWords({ status, priority, code, userId, q, olderThanDays }) {
  const isCancelled = status === "failed" && code === "cancelled";
  return [
    isCancelled ? "cancelled jobs" : `${status ? `${status} ` : ""}jobs`,
    priority && `of priority ${priority}`,
    code && !isCancelled && `with the code ${code}`,
    userId && `of the user ${userId}`,
    q && `whose file name contains “${q}”`,
    olderThanDays && `older than ${plural(olderThanDays, "day")}`,
  ].filter(Boolean).join(" ");
}

/** "34 jobs were retried. 2 had gone on meanwhile." */
export function outcomeWords({ action, priority, newPriority }, affected, expected, failed = 0) {
  if (priority) return `Priority ${priority} is ${ACTS[action].done}.`;
  const where = newPriority ? ` to ${newPriority}` : "";
  const left = failed || Math.max(0, expected - affected);
  return [
    `${plural(affected, "job")} ${affected === 1 ? "was" : "were"} ${ACTS[action].done}${where}.`,
    left && `${left.toLocaleString("en")} had gone on meanwhile.`,
  ].filter(Boolean).join(" ");
}
