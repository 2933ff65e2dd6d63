// The ES module against the running service (INGEST_URL), through a proxy that breaks what goes by. Run by pytest.

import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client, IngestError, openFile } from "../../clients/js/ingest.mjs";

const URL_OF_SERVICE = process.env.INGEST_URL;
const BUSY =
  "HTTP/1.1 503 Busy\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\nContent-Length: 72\r\nConnection: close\r\n\r\n" +
  '{"error": {"code": "overloaded", "message": "Busy.", "retryable": true}}';

let folder;
let file;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "ingest-"));
  file = join(folder, "long & wide.txt");
  await writeFile(file, `${"word ".repeat(199)}\n`.repeat(2000));
});
after(() => rm(folder, { recursive: true }));

/** A proxy whose faults, one for each new connection, are taken from the list; after them it passes all on. */
async function proxied(t, ...faults) {
  const { hostname, port } = new URL(URL_OF_SERVICE);
  const made = { connections: 0, faults };
  const sockets = new Set();
  const server = net.createServer((client) => {
    made.connections += 1;
    const fault = made.faults.shift() ?? {};
    const upstream = net.connect(port, hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => (client.destroy(), upstream.destroy()));
    }
    if (fault.answer) {
      client.once("data", () => client.end(fault.answer));
      return;
    }
    pumped(client, upstream, fault.up);
    pumped(upstream, client, fault.down);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  made.client = new Client(`http://127.0.0.1:${server.address().port}`);
  return made;
}

/** Passes bytes on; after `most` of them the connection is reset. */
function pumped(from, to, most = Infinity) {
  let seen = 0;
  from.on("data", (data) => {
    seen += data.length;
    if (seen > most) from.resetAndDestroy();
    else to.write(data);
  });
  from.on("end", () => to.end());
}

async function jobsOf(user) {
  const headers = { Authorization: `Bearer ${process.env.ADMIN_TOKEN}` };
  const answer = await fetch(`${URL_OF_SERVICE}/api/ingest/jobs?userId=${user}`, { headers });
  return (await answer.json()).jobs.map((job) => job.jobId);
}

const blob = (text, name = "note.txt") => Object.assign(new Blob([text]), { name });

test("a file goes up from the disk and its text comes back", async () => {
  const client = new Client(URL_OF_SERVICE);
  const source = await openFile(file);
  const told = [];
  const { jobId } = await client.upload(source, {
    priority: "high",
    userId: "ada",
    progress: (sent, size) => told.push([sent, size]),
  });
  const end = await client.wait(jobId);
  assert.deepEqual(
    [end.status, end.file.name, end.priority, end.userId],
    ["completed", "long & wide.txt", "high", "ada"],
  );
  assert.ok(told.length > 1);
  assert.deepEqual(told.at(-1), [source.size, source.size]);
  const text = await client.text(jobId);
  assert.equal(text.match(/word/g).length, 199 * 2000);
  let streamed = 0;
  for await (const piece of await client.stream(jobId)) streamed += piece.length;
  assert.equal(streamed, text.length);
  const { pages } = await client.result(jobId, { page: 1 });
  assert.deepEqual(pages, [{ number: 1, text: await client.text(jobId, { page: 1 }) }]);
});

test("an upload that breaks off is repeated and makes one job", async (t) => {
  const { client, ...proxy } = await proxied(t, { up: 700_000 }, { up: 900_000 });
  const told = [];
  const { jobId } = await client.upload(await openFile(file), {
    userId: "js-cut",
    progress: (sent) => told.push(sent),
  });
  assert.deepEqual(proxy.faults, []);
  assert.notDeepEqual(told, [...told].sort((a, b) => a - b), "it began anew");
  assert.deepEqual(await jobsOf("js-cut"), [jobId]);
});

test("an upload whose answer is lost is answered with the same job", async (t) => {
  const { client } = await proxied(t, { down: 0 });
  const { jobId } = await client.upload(blob("some words"), { userId: "js-lost" });
  assert.deepEqual(await jobsOf("js-lost"), [jobId]);
});

test("whoever is too busy is asked again", async (t) => {
  const proxy = await proxied(t, { answer: BUSY });
  const { jobId } = await proxy.client.upload(blob("some words"));
  proxy.faults.push({ answer: BUSY });
  assert.equal((await proxy.client.wait(jobId)).status, "completed");
  assert.deepEqual(proxy.faults, []);
});

test("several jobs are watched in one stream", async () => {
  const client = new Client(URL_OF_SERVICE);
  const { jobId } = await client.upload(blob("some words"));
  const last = {};
  for await (const event of client.events([jobId, "job_nowhere"])) last[event.data.jobId] = event;
  assert.equal(last[jobId].data.status, "completed");
  assert.equal(last.job_nowhere.name, "gone");
});

test("watching can be given up", async () => {
  const client = new Client(URL_OF_SERVICE);
  const stop = new AbortController();
  stop.abort();
  for (const call of [() => client.wait("x", { signal: stop.signal }), () => client.events("x", { signal: stop.signal }).next()]) {
    await assert.rejects(call, (error) => error instanceof IngestError && error.code === "aborted");
  }
});

test("a job is cancelled and deleted", async () => {
  const client = new Client(URL_OF_SERVICE);
  const { jobId } = await client.upload(blob("words"));
  await client.wait(jobId);
  await assert.rejects(client.cancel(jobId), { code: "wrong_state", status: 409 });
  await assert.rejects(client.retry(jobId), { code: "wrong_state" });
  assert.deepEqual([await client.delete(jobId), await client.delete(jobId)], [true, false]);
});

test("a refusal says what and what to do, and is not repeated", async (t) => {
  const proxy = await proxied(t);
  await assert.rejects(proxy.client.status("job_nowhere"), (error) => {
    assert.deepEqual([error.code, error.status, error.retryable], ["not_found", 404, false]);
    return error instanceof IngestError && error.suggestion.length > 10;
  });
  const large = join(folder, "large.txt");
  const handle = await open(large, "w");
  await handle.truncate(Number(process.env.MOST_BYTES) + 1);
  await handle.close();
  const met = proxy.connections;
  await assert.rejects(proxy.client.upload(await openFile(large)), { code: "too_large", status: 413 });
  assert.equal(proxy.connections, met + 1);
});

test("a wrong address is told at once", async () => {
  const nobody = new Client("http://127.0.0.1:1");
  await assert.rejects(nobody.status("x"), { code: "unreachable", retryable: false });
  await assert.rejects(nobody.upload(blob("words")), { code: "unreachable", retryable: false });
});
