// What it all runs on: the minute batch and its last runs, Redis, the store, and what was done by whom.

import { set } from "./dom.js";
import { pairs, plainRows } from "./operator-parts.js";
import { ago, figure, lasting, moment } from "./operator-words.js";
import { bytes, plural, seconds } from "./words.js";

/** "The batch runs every minute. It last ran 20 s ago. The next run is in 40 s." */
export function batchWords({ lastRunAt, nextRunAt, schedule, lockHeld }, now) {
  const left = nextRunAt ? (Date.parse(nextRunAt) - now) / 1000 : NaN;
  return [
    schedule ? `The batch runs ${schedule}.` : "No scheduler is running: the batch runs when the cron address is called.",
    lastRunAt ? `It last ran ${ago(lastRunAt, now)}.` : "It has not run yet.",
    lockHeld ? "It is running now." : Number.isFinite(left) && (left > 0 ? `The next run is in ${seconds(left)}.` : `The next run was due ${seconds(-left)} ago.`),
    schedule && lastRunAt && now - Date.parse(lastRunAt) > 180_000 && "That is longer ago than it should be.",
  ].filter(Boolean).join(" ");
}

const BY = { cron: "cron call", schedule: "schedule" };
const outcome = (word) => String(word ?? "").replaceAll("_", " ");

export function drawSchedule(words, body, { batch = {} }, now) {
  set(words, "textContent", batchWords(batch, now));
  const table = body.parentElement.parentElement;
  set(table, "hidden", !batch.runs);
  plainRows(body, batch.runs ?? [], ({ at, by }) => `${at} ${by}`,
    ({ at, outcome: word, processed, rescued, expired, durationMs, by }) => [moment(at, now), outcome(word), figure(processed, 0), figure(rescued, 0), figure(expired, 0), lasting(durationMs / 1000), BY[by] ?? by ?? ""],
    "No run is known yet.");
}

export function drawSystem(place, { system = {}, queue = {} }, now) {
  const { memory, redis = {}, storage = {} } = system;
  const room = redis.maxBytes ? ` of ${bytes(redis.maxBytes)}` : "";
  pairs(place, [
    ["Redis", `${bytes(redis.usedBytes ?? 0)}${room}`, redis.evictionPolicy ? `when full: ${redis.evictionPolicy}` : ""],
    ["Storage", storage.kind ?? "–", Number.isFinite(storage.freeBytes) ? `${bytes(storage.freeBytes)} free` : ""],
    ["This web process", memory?.rssBytes ? bytes(memory.rssBytes) : "–", "of memory"],
    ["Last job ended", queue.lastProcessedAt ? moment(queue.lastProcessedAt, now) : "–", queue.lastProcessedAt ? ago(queue.lastProcessedAt, now) : ""],
  ]);
}

/** Who did what to how many, newest first. */
export function drawAudit(body, entries, now) {
  plainRows(body, entries, ({ at, operation }) => operation ?? at,
    ({ at, who, action, target, affected, failed }) => [moment(at, now), who, action, target, `${plural(affected ?? 0, "job")}${failed ? `, ${figure(failed, 0)} could not be` : ""}`],
    "Nothing was done by hand yet.");
}
