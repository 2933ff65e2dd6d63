// All that the page loads at first: it takes files from the first moment on, and fetches the rest at the first sign of a
// hand, or at once where this browser has a history or gets one in another tab.

import { listen } from "./intake.js";
import { onOtherTab, recall } from "./memory.js";

const find = (id) => document.getElementById(id);
const SIGNS = ["pointermove", "pointerdown", "touchstart", "focusin", "keydown", "dragenter"];
let list = null;

function load() {
  list ??= import("./list.js");
  return list;
}

async function take(batch) {
  try {
    (await load()).take(batch);
  } catch {
    find("broken").hidden = false;
  }
}

find("send").hidden = true;
find("intake").addEventListener("submit", (event) => event.preventDefault());
listen({ input: find("file"), folder: find("folder"), veil: find("veil") }, take);
const begin = () => load().catch(() => (find("broken").hidden = false));
for (const sign of SIGNS) addEventListener(sign, begin, { once: true, passive: true });
onOtherTab((kept) => kept.length && begin());
if (recall().length) begin();
