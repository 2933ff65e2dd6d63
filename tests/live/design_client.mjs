// A client written from the design document alone: it sends a file, asks every so often, and looks at `status` only.
// usage: node design_client.mjs BASE INTERVAL_MS FILE      sends FILE and follows its job
//        node design_client.mjs BASE INTERVAL_MS --status PATH      follows a job by its status address
// On stdout the result as JSON, or on stderr the error's message and exit status 3; `asked: STATUS` for each question.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";

const [base, interval, what, path] = process.argv.slice(2);

async function start(file) {
  const form = new FormData();
  form.append("file", new Blob([await readFile(file)]), basename(file));
  form.append("priority", "high");
  form.append("userId", "user123");
  const answer = await fetch(`${base}/api/ingest/start`, { method: "POST", body: form });
  const { success, jobId, statusUrl } = await answer.json();
  if (!success) throw new Error("not accepted");
  console.error(`job: ${jobId}`);
  return statusUrl;
}

async function follow(statusUrl) {
  for (;;) {
    const answer = await fetch(base + statusUrl);
    const document = await answer.json();
    console.error(`asked: ${document.status}`);
    if (document.status === "completed") return document.result;
    if (document.status === "failed") throw new Error(document.error.message);
    await new Promise((next) => setTimeout(next, Number(interval)));
  }
}

try {
  const result = await follow(what === "--status" ? path : await start(what));
  console.log(JSON.stringify(result));
} catch (error) {
  console.error(`thrown: ${error.message}`);
  process.exitCode = 3;
}
