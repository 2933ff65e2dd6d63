// The page of one job while it is on its way: asks how it stands, and loads itself anew once, at the end.
// Without JavaScript the page refreshes itself as a whole.

import { getStatus } from "./api.js";
import { set } from "./dom.js";
import { stepWords, waitingWords } from "./words.js";

const ASK_EVERY = 1500;
const place = document.getElementById("live-job");

function show(job) {
  const { status, progress } = job;
  if (status === "completed" || status === "failed") return location.reload();
  set(place.querySelector("progress"), "value", progress.percentage);
  const words = status === "processing" ? `${stepWords(progress)} · ${progress.percentage} %` : waitingWords(job, Date.now());
  set(place.querySelector(".step"), "textContent", words);
  // The name of the state is the server's to say.
  return place.dataset.status === status || location.reload();
}

async function follow(etag = null) {
  if (!document.hidden) {
    const news = await getStatus(place.dataset.job, etag).catch((refused) => (refused.status === 404 ? location.reload() : null));
    if (news) {
      etag = news.etag;
      show(news.document);
    }
  }
  setTimeout(follow, ASK_EVERY, etag);
}

follow();
