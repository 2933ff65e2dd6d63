// How files get onto the page: chosen, dropped anywhere, or pasted. Folders are walked.

async function walk(entry, found) {
  if (entry.isFile) {
    found.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!entries.length) return;
    for (const inner of entries) await walk(inner, found);
  }
}

// The entries must be taken at once: the list is emptied when the event is over.
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const found = [];
  for (const entry of entries) await walk(entry, found).catch(() => {});
  return found;
}

const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");

/** Calls `take` with each batch of files. */
export function listen(input, veil, take) {
  input.multiple = true;
  input.required = false;
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    take(files);
  });
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
    take(await filesOf(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) take([...event.clipboardData.files]);
  });
}

/** What can be said of a file before it is sent; null when nothing stands against it. */
export function objection(file, { maxBytes, accept }) {
  const ending = /\.[^.]+$/.exec(file.name)?.[0].toLowerCase();
  if (accept.length && !accept.includes(ending)) {
    return { code: "unsupported_type", message: "Files of this type cannot be read here.", suggestion: `Accepted endings: ${accept.join(" ")}` };
  }
  if (file.size > maxBytes) {
    return { code: "too_large", message: "The file is larger than is accepted here.", suggestion: "Send a smaller file, or split it." };
  }
  return file.size ? null : { code: "empty_file", message: "The file is empty.", suggestion: "Choose a file that has content." };
}
