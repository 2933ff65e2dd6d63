// What can be said of a file before it is sent. No DOM, no network.

/** An error in the service's shape; null when nothing stands against the file. */
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

/** The files of a folder that can be read here, and how many were left out. */
export function sift(files, { accept }) {
  const kept = files.filter((file) => objection(file, { accept, maxBytes: Infinity })?.code !== "unsupported_type");
  return { kept, leftOut: files.length - kept.length };
}
