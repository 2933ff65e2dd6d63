// Watches one job to its end: node watch_job.mjs URL JOB. Says each version as it is told, then how waiting ended.

import { Client } from "../../clients/js/ingest.mjs";

const [url, job] = process.argv.slice(2);
const client = new Client(url);
await client.status(job);
const waiting = client.wait(job);
for await (const { name, data } of client.events(job)) {
  if (name === "status") console.log(data.version);
}
console.log((await waiting).status);
