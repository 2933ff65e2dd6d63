// How files get onto the page: chosen, dropped anywhere, or pasted. Folders are walked.
// A batch is `{files, ofFolder}`: in a folder nobody chose each file, so what cannot be read there is left out quietly.

async function walk(entry, found) {
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return;
    for (const inner of entries) await walk(inner, found).catch(() => {});
  }
}

// The entries must be taken at once: the list is emptied when the event is over.
async function batchOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return { files: [...transfer.files], ofFolder: false };
  const files = [];
  for (const entry of entries) await walk(entry, files).catch(() => {});
  return { files, ofFolder: true };
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");

function chosen(input, ofFolder, take) {
  const files = [...input.files];
  input.value = "";
  if (files.length) take({ files, ofFolder });
}

function listenToFolder(button, take) {
  const input = document.createElement("input");
  const ofFolder = "webkitdirectory" in input; // without it files are chosen
  Object.assign(input, { type: "file", multiple: true, webkitdirectory: true, onchange: () => chosen(input, ofFolder, take) });
  button.onclick = () => input.click();
}

/** Calls `take` with each batch. */
export function listen({ input, folder, veil }, take) {
  Object.assign(input, { multiple: true, required: false, onchange: () => chosen(input, false, take) });
  listenToFolder(folder, take);
  addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    veil.hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  addEventListener("drop", async (event) => {
    veil.hidden = true;
    if (!holdsFiles(event)) return;
    event.preventDefault();
    take(await batchOf(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take({ files: [...event.clipboardData.files], ofFolder: false });
  });
}
