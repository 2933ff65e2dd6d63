// News for the operator's pages: by events where they come through, else by asking every three seconds; nothing while held or hidden.

const SILENCE = 8000;
const ASK_EVERY = 3000;
const REOPEN_AFTER = 30_000;

/**
 * `handlers` maps the names of the stream's events to what is done with their data; `ask()` brings the same by a request
 * and never throws. Gives `hold(isHeld)`, `now()` (ask at once) and `way()`: events, asking or held.
 */
export function liveNews(path, handlers, ask) {
  let stream = null;
  let heard = 0;
  let asked = 0;
  let closedAt = 0;
  let held = false;
  const resting = () => held || document.hidden;

  function close() {
    stream?.close();
    stream = null;
    heard = 0;
  }

  function open() {
    stream = new EventSource(path);
    for (const [name, handle] of Object.entries(handlers)) {
      stream.addEventListener(name, ({ data }) => {
        heard = Date.now();
        handle(JSON.parse(data));
      });
    }
    stream.onerror = () => {
      heard = 0;
      if (stream.readyState !== EventSource.CLOSED) return;
      close();
      closedAt = Date.now();
    };
  }

  async function now() {
    asked = Date.now();
    await ask();
    asked = Date.now();
  }

  function tick() {
    if (resting()) return;
    if (!stream && Date.now() - closedAt >= REOPEN_AFTER) open();
    const at = Date.now();
    if (at - heard >= SILENCE && at - asked >= ASK_EVERY) now();
  }

  function settle() {
    if (resting()) close();
    else {
      closedAt = 0;
      now();
      tick();
    }
  }

  document.addEventListener("visibilitychange", settle);
  addEventListener("pagehide", close);
  setInterval(tick, 500);
  settle();
  return {
    now,
    way: () => (held ? "held" : Date.now() - heard < SILENCE ? "events" : "asking"),
    hold(isHeld) {
      held = isHeld;
      settle();
    },
  };
}
