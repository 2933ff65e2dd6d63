// The jobs of the operator page: a filtered list with what happened to each, a selection, and acts on one, some or all that match.

import { getJson } from "./api.js";
import { attribute, button, make, set } from "./dom.js";
import { jobLink, keyed, restFocus, rowOf } from "./operator-parts.js";
import { filterWords, moment } from "./operator-words.js";
import { bytes, plural, resultWords, stepWords, waitingWords } from "./words.js";

const PAGE = 25;
const MOST_A_REQUEST = 200;
const MOST = 1000;

export const stateOf = ({ status, error }) => (error?.code === "cancelled" ? "cancelled" : status);
const LIVE = ["pending", "processing", "retrying"];
const TRIED_AGAIN = ["failed", "retrying"];
export const canCancel = ({ status }) => LIVE.includes(status);
export const canRetry = ({ status }) => TRIED_AGAIN.includes(status);

/** What happened, and an aside to it. */
export function happened(job, now) {
  if (job.error) return [job.error.message, [job.error.code, job.attempt > 1 && plural(job.attempt, "attempt"), job.losses && plural(job.losses, "lost worker")].filter(Boolean).join(", ")];
  if (job.status === "processing") return [stepWords(job.progress ?? {}), `${job.progress?.percentage ?? 0} %`];
  if (job.status === "completed") return [resultWords(job.result ?? {}), ""];
  return [waitingWords(job, now), ""];
}

function rowFor({ jobId, file }, ask) {
  const row = rowOf(6);
  const box = make("input", { type: "checkbox", value: jobId });
  box.setAttribute("aria-label", `Select: ${file.name}`);
  row.cells[0].append(box);
  row.cells[1].append(jobLink(jobId, file.name), make("small"));
  row.cells[2].append(make("span", { className: "mark" }));
  row.cells[3].append(make("span"), make("small"));
  const act = (label, action) => button(label, file.name, () => ask({ action, jobIds: [jobId] }, file.name));
  row.cells[5].append(make("div", { className: "acts" }, act("Retry", "retry"), act("Cancel", "cancel"), act("Delete", "delete")));
  row.cells[0].className = row.cells[5].className = "acting";
  return row;
}

function fill(row, job, now) {
  const [, file, status, what, created, actions] = row.cells;
  const [main, aside] = happened(job, now);
  set(file.lastElementChild, "textContent", [bytes(job.file.size), job.priority, job.userId].filter(Boolean).join(" · "));
  set(status.firstElementChild, "textContent", stateOf(job));
  attribute(status.firstElementChild, "data-state", stateOf(job));
  set(what.firstElementChild, "textContent", main);
  set(what.lastElementChild, "textContent", aside);
  set(created, "textContent", moment(job.timestamps.createdAt, now));
  const [retry, cancel] = actions.firstElementChild.children;
  set(retry, "hidden", !canRetry(job));
  set(cancel, "hidden", !canCancel(job));
}

/** The form's fields that say something. */
function fieldsOf(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]).filter(([, value]) => value));
}

/** They, as the API names them: to it a cancelled job is one that has failed, to whoever looks at the list it is none. */
function filterOf(form) {
  const { status, code, ...rest } = fieldsOf(form);
  if (status === "cancelled") return { ...rest, status: "failed", code: "cancelled" };
  return { ...rest, ...(status && { status }), ...(code ? { code } : status === "failed" && { withoutCode: "cancelled" }) };
}

/** The list that `limit` asks for, page by page, for as long as it is wanted: a rare name among a million jobs takes a thousand. */
async function read(filter, limit, isWanted) {
  const jobs = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ ...filter, limit: Math.min(MOST_A_REQUEST, limit - jobs.length), ...(cursor && { cursor }) });
    const page = await getJson(`/api/ingest/jobs?${query}`);
    jobs.push(...page.jobs);
    cursor = page.nextCursor;
  } while (cursor && jobs.length < limit && isWanted());
  return { jobs, hasMore: Boolean(cursor) };
}

export function jobsTable({ form, table, more, bulk, ask, alarm, now, onFilter }) {
  const body = table.tBodies[0];
  const all = table.tHead.querySelector("input");
  const boxes = () => [...body.querySelectorAll("input:checked")];
  let limit = PAGE;
  let latest = 0;
  let reading = null;
  let typing = null;

  /** Whom the buttons above the list are about; never everything. */
  function target() {
    const chosen = boxes().map(({ value }) => value);
    if (chosen.length) return { jobIds: chosen };
    const filter = filterOf(form);
    return Object.keys(filter).length ? { filter } : null;
  }

  function sayTarget() {
    const { jobIds, filter } = target() ?? {};
    const words = jobIds ? `${plural(jobIds.length, "job")} selected` : filter ? `All ${filterWords(filter)}` : "Select jobs, or set a filter, to act on many";
    set(bulk.querySelector("p"), "textContent", words);
    const count = body.querySelectorAll("input").length;
    all.checked = count > 0 && boxes().length === count;
    all.indeterminate = !all.checked && boxes().length > 0;
  }

  async function refresh() {
    const mine = ++latest;
    reading = mine;
    const { jobs, hasMore } = await read(filterOf(form), limit, () => mine === latest).finally(() => {
      if (reading === mine) reading = null;
    });
    // A filter changed meanwhile: the later answer stands.
    if (mine !== latest) return;
    const focused = body.contains(document.activeElement) ? document.activeElement : null;
    const row = focused?.closest("tr");
    keyed(body, jobs.length ? jobs : [null], (job) => job?.jobId ?? "none",
      (job) => (job ? rowFor(job, ask) : make("tr", {}, make("td", { colSpan: 6, className: "none", textContent: "No jobs here." }))),
      (row, job) => job && fill(row, job, now()));
    // The button that was pressed may be gone with its job, or have nothing to offer any more.
    if (focused && !(focused.isConnected && focused.checkVisibility())) {
      if (row.isConnected) row.querySelector("a").focus();
      else restFocus();
    }
    set(more, "hidden", !hasMore || limit >= MOST);
    sayTarget();
  }

  function anew() {
    limit = PAGE;
    for (const box of boxes()) box.checked = false;
    const filter = filterOf(form);
    const fields = new URLSearchParams(fieldsOf(form)).toString();
    history.replaceState(null, "", fields ? `?${fields}` : location.pathname);
    onFilter(filter);
    sayTarget();
    refresh().catch(alarm);
  }

  /** Puts a filter into the form; a value that a list does not have yet (an error's code) is added to it. */
  function choose(filter) {
    form.reset();
    for (const [name, value] of Object.entries(filter)) {
      const field = form.elements[name];
      if (!field) continue;
      if (name === "code" && ![...field.options].some((option) => option.value === value)) field.add(new Option(value));
      field.value = value;
    }
  }

  form.onsubmit = (event) => event.preventDefault();
  form.oninput = ({ target: field }) => {
    clearTimeout(typing);
    typing = setTimeout(anew, field.type === "search" ? 250 : 0);
  };
  form.onreset = () => setTimeout(anew);
  more.onclick = () => {
    limit = Math.min(MOST, limit + PAGE);
    refresh().catch(alarm);
  };
  body.onchange = sayTarget;
  all.onchange = () => {
    for (const box of body.querySelectorAll("input")) box.checked = all.checked;
    sayTarget();
  };
  for (const control of bulk.querySelectorAll("button")) {
    control.onclick = () => {
      const whom = target();
      if (whom) ask({ action: control.value, ...whom });
      else set(bulk.querySelector("[role=alert]"), "textContent", "Nothing is done to all jobs at once: select some, or set a filter first.");
    };
  }
  choose(Object.fromEntries(new URLSearchParams(location.search)));
  onFilter(filterOf(form));
  return {
    refresh,
    isReading: () => reading !== null,
    filter: () => filterOf(form),
    only(filter) {
      choose(filter);
      anew();
    },
  };
}
