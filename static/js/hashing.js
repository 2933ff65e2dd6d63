// The hash of a file's content, to know it again: one file after another, and only where the browser has the means
// (WebCrypto, which it gives to pages over TLS or from this machine). The hashing itself runs beside the page.

const MOST_BYTES = 64 * 1024 * 1024;
let turn = Promise.resolve();

async function hash(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** SHA-256 in hex, as the service tells it; null where it cannot be had. */
export function sha256(file) {
  if (!globalThis.crypto?.subtle || file.size > MOST_BYTES) return Promise.resolve(null);
  turn = turn.then(() => hash(file)).catch(() => null);
  return turn;
}
