// One dialog for every act: what it would affect, one question, its progress, and how it went.

import { post } from "./api.js";
import { make, set } from "./dom.js";
import { restFocus, troubleWords } from "./operator-parts.js";
import { ACTS, figure, filterWords, outcomeWords } from "./operator-words.js";
import { plural } from "./words.js";

const PATH = "/api/admin/queue";
/** How many jobs are named before it is asked. */
const SHOWN = 10;
/** What asks for the work in slices. */
const SLICED = { limit: 500 };

/** Posts a command slice by slice until nothing is left or `goes()` is false; `said` hears the sum after each. */
async function inSlices(command, goes, said) {
  const sum = { affected: 0, failed: 0, sample: [], more: false };
  let next = {};
  do {
    const answer = await post(PATH, { ...command, ...next });
    sum.affected += answer.affected;
    sum.failed += answer.failed ?? 0;
    sum.sample = [...sum.sample, ...(answer.sample ?? [])].slice(0, SHOWN);
    sum.more = Boolean(answer.nextCursor ?? answer.more);
    next = answer.nextCursor ? { cursor: answer.nextCursor, ...(answer.operation && { operation: answer.operation }) } : null;
    said(sum);
  } while (next && goes());
  return sum;
}

/** Whom it is about, as text, or as an element of its own where a user wrote it. */
function targetWords({ action, jobIds, filter, daysOld, priority }, name) {
  if (priority) return `priority ${priority}`;
  if (daysOld) return `jobs that ended more than ${plural(daysOld, "day")} ago`;
  if (jobIds) return jobIds.length === 1 && name ? make("bdi", { textContent: name }) : plural(jobIds.length, "selected job");
  return action && `all ${filterWords(filter)}`;
}

/**
 * The dialog of the page; `after(words)` hears how an act went. Gives `ask(command, name)`: a command of the API without
 * dryRun; `name` is the file's, where it is about one job.
 */
export function actions(dialog, after) {
  const part = (name) => dialog.querySelector(`[data-part="${name}"]`);
  const [go, back, bar] = [part("go"), part("back"), part("bar")];
  let turn = 0;
  let opener = null;

  function show(words, { count = null, sample = [], note = "", trouble = "" } = {}) {
    set(part("what"), "textContent", words);
    part("sample").replaceChildren(...sample.map(({ name, status }) => make("li", {}, make("bdi", { textContent: name }), make("small", { textContent: ` ${status}` }))));
    const rest = (count ?? 0) - sample.length;
    set(part("rest"), "textContent", sample.length && rest > 0 ? `and ${figure(rest, 0)} more` : "");
    set(part("note"), "textContent", note);
    set(part("trouble"), "hidden", !trouble);
    set(part("trouble"), "textContent", trouble);
    set(part("progress"), "hidden", true);
  }

  async function look(command, mine) {
    const counted = command.jobIds || command.priority ? command : { ...command, ...SLICED };
    const still = () => mine === turn;
    const sum = await inSlices({ ...counted, dryRun: true }, still, ({ affected, more }) => {
      if (still() && more) show(`Counting: ${plural(affected, "job")} so far`);
    });
    return still() ? sum : null;
  }

  function offer(command, { affected, sample }) {
    const { verb, note } = ACTS[command.action];
    if (command.priority) show(`${plural(affected, "job waits", "jobs wait")} there now.`, { note });
    else if (affected) show(`${plural(affected, "job")} would be ${ACTS[command.action].done}${command.newPriority ? ` to ${command.newPriority}` : ""}:`, { count: affected, sample, note });
    else show("No job would be affected: none of them is in a state in which this changes something.");
    go.disabled = !(affected || command.priority);
    set(go, "textContent", command.priority ? verb : `${command.action === "priority" ? "Change" : verb} ${plural(affected, "job")}`);
  }

  async function run(command, expected, mine) {
    go.disabled = true;
    set(back, "textContent", "Stop");
    set(part("progress"), "hidden", false);
    const sliced = command.jobIds || command.priority ? command : { ...command, ...SLICED };
    const sum = await inSlices(sliced, () => mine === turn, ({ affected }) => {
      bar.max = Math.max(expected, affected, 1);
      bar.value = affected;
      set(part("done"), "textContent", `${figure(affected, 0)} of ${figure(Math.max(expected, affected), 0)}`);
    });
    const stopped = sum.more && mine !== turn;
    after(`${stopped ? "Stopped. " : ""}${outcomeWords(command, sum.affected, stopped ? sum.affected : expected, sum.failed)}`);
  }

  function close() {
    turn += 1;
    if (dialog.open) dialog.close();
  }

  dialog.addEventListener("cancel", () => {
    turn += 1;
  });
  // Told a moment later: by then it may be open again. And the row that had the button may be gone with its job.
  dialog.addEventListener("close", () => {
    if (!dialog.open && (!opener?.isConnected || !opener.checkVisibility())) restFocus();
  });
  back.onclick = close;

  async function ask(command, name) {
    const { verb, isFinal } = ACTS[command.action];
    opener = document.activeElement;
    part("title").replaceChildren(`${verb} `, targetWords(command, name), "?");
    set(back, "textContent", "Back");
    set(go, "textContent", verb);
    go.className = isFinal ? "danger" : "primary";
    const choice = part("new-priority");
    set(part("choice"), "hidden", command.action !== "priority");
    show("Counting");
    if (!dialog.open) dialog.showModal();

    async function prepare() {
      const mine = ++turn;
      const wanted = command.action === "priority" ? { ...command, newPriority: choice.value } : command;
      go.disabled = true;
      try {
        const found = await look(wanted, mine);
        if (!found) return;
        offer(wanted, found);
        go.onclick = () => act(wanted, found, mine);
      } catch (refused) {
        if (mine === turn) show("Nothing was changed.", { trouble: troubleWords(refused) });
      }
    }
    async function act(wanted, found, mine) {
      try {
        await run(wanted, found.affected, mine);
        close();
      } catch (refused) {
        set(back, "textContent", "Back");
        show("It did not go through to the end.", { trouble: troubleWords(refused) });
        after("");
      }
    }
    choice.onchange = prepare;
    await prepare();
  }
  return { ask };
}

