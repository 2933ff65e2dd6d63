// When the service can be reached again: told by the browser, or found by asking, ever more rarely.

const FIRST = 3000;
const LONGEST = 60_000;

/** Returns `expect()`: from then on the service is asked until it answers, and `back()` is called once. */
export function comeback(back) {
  let timer = null;
  let pause = FIRST;

  async function ask() {
    const answer = navigator.onLine ? await fetch("/healthz", { cache: "no-store" }).catch(() => null) : null;
    if (timer === null) return;
    if (answer?.ok) return done();
    pause = Math.min(LONGEST, pause * 2);
    timer = setTimeout(ask, pause);
  }

  function done() {
    clearTimeout(timer);
    timer = null;
    back();
  }

  addEventListener("online", () => {
    if (timer === null) return;
    pause = FIRST;
    clearTimeout(timer);
    timer = setTimeout(ask, 0);
  });

  return () => {
    if (timer !== null) return;
    pause = FIRST;
    timer = setTimeout(ask, pause);
  };
}
