// When rows are drawn: once a frame at most, those in view first, and never for so long that a frame is missed.

/** Of the 16 ms of a frame, how many may go into rows that nobody sees. */
const UNSEEN_BUDGET = 5;

/** Returns `mark(item)`; `draw(item)` draws it, `drawn()` is called once after each round. `isSeen(item)` comes first. */
export function painter({ draw, drawn, isSeen }) {
  const marked = new Set();
  let asked = false;

  function run() {
    asked = false;
    const began = performance.now();
    const [seen, unseen] = [[], []];
    for (const item of marked) (isSeen(item) ? seen : unseen).push(item);
    for (const [place, item] of [...seen, ...unseen].entries()) {
      if (place >= seen.length && performance.now() - began > UNSEEN_BUDGET) break;
      marked.delete(item);
      draw(item);
    }
    drawn();
    if (marked.size) ask();
  }

  // Hidden pages get no frames, so a timer steps in.
  function ask() {
    if (asked) return;
    asked = true;
    if (document.hidden) setTimeout(run, 250);
    else requestAnimationFrame(run);
  }

  return (item) => {
    if (item) marked.add(item);
    ask();
  };
}
