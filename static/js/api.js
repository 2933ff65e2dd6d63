// Requests to the service, and its errors in one shape: {code, message, suggestion, retryable}.

const LOST = {
  code: "unreachable",
  message: "The service cannot be reached.",
  suggestion: "Check the connection and try again.",
  retryable: true,
};

/** A refused or failed request; `error` is what the service said, `status` 0 when it said nothing. */
export class Refusal extends Error {
  constructor(status, error, retryAfter = null) {
    super(error.message);
    Object.assign(this, { status, error, retryAfter });
  }
}

/** Reads the error out of an answer's text, which may be anybody's (a proxy's page, nothing at all). */
export function refusal(status, text, retryAfter) {
  if (!status) return new Refusal(0, LOST);
  let said;
  try {
    said = JSON.parse(text).error;
  } catch {
    said = null;
  }
  const error = typeof said?.message === "string" ? said : {
    code: `http_${status}`,
    message: `The service answered with an error (${status}).`,
    suggestion: "Try again in a moment.",
    retryable: status >= 500,
  };
  return new Refusal(status, error, Number(retryAfter) || null);
}

async function request(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", cache: "no-store", ...options });
  } catch {
    throw refusal(0);
  }
  if (!answer.ok && answer.status !== 304) throw refusal(answer.status, await answer.text().catch(() => ""), answer.headers.get("Retry-After"));
  return answer;
}

export async function getJson(path) {
  return (await request(path, { headers: { Accept: "application/json" } })).json();
}

export async function getText(path) {
  return (await request(path)).text();
}

/** The status document with its ETag, or null when it is still the one with `etag`. */
export async function getStatus(jobId, etag) {
  const answer = await request(`/api/ingest/status/${jobId}`, {
    headers: etag ? { "If-None-Match": etag } : {},
    signal: AbortSignal.timeout?.(10_000),
  });
  return answer.status === 304 ? null : { document: await answer.json(), etag: answer.headers.get("ETag") };
}

export async function post(path, body) {
  const options = body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await request(path, { method: "POST", ...options })).json();
}

export async function remove(path) {
  await request(path, { method: "DELETE" });
}

/** Where one form of a result stands. */
export function resultPath(jobId, format, { download = false, page = null } = {}) {
  return `/api/ingest/result/${jobId}?format=${format}${download ? "&download=1" : ""}${page ? `&page=${page}` : ""}`;
}

/** Where the results of several jobs stand, as one ZIP. */
export function resultsPath(jobIds, format) {
  return `/api/ingest/results?jobs=${jobIds.join(",")}&format=${format}`;
}
