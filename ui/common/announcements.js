// The page's one polite live region: it says that a job began, each quarter of it, and that it is done.

const SECOND = 1000;
const PART = 25;  // percent between two sentences

let job = "";
let quarter = 0;
let pressed = null;  // the tab in which Generate was pressed last, and the job that it showed then

// What is said of a job that is at `share` percent, and the quarter of which that is; "" for nothing new.
export function describeShare(share, before) {
  const now = Math.floor(share / PART);
  return now > before ? [`${now * PART} %`, now] : ["", before];
}

function say(region, sentence) {
  if (sentence) region.textContent = sentence;
}

function follow(region, making) {
  if (making.dataset.job !== job) {
    [job, quarter] = [making.dataset.job, 0];
    say(region, region.dataset.begun);
    return;
  }
  const [sentence, now] = describeShare(Number(making.querySelector(".bar")?.getAttribute("aria-valuenow") ?? 0), quarter);
  quarter = now;
  say(region, sentence);
}

// A failure is said by the sentence itself, which is an alert.
function sayEnd(region, state) {
  [job, pressed] = ["", null];
  say(region, state === "failed" ? "" : region.dataset[state] ?? region.dataset.finished);
}

function look() {
  const region = document.querySelector("#live"), making = document.querySelector(".making");
  if (!region) return;
  if (making) return follow(region, making);
  if (job) return sayEnd(region, document.querySelector(`.stage-inner[data-job="${CSS.escape(job)}"]`)?.dataset.state);
  // A quick job may have ended before it was seen to run.
  const shown = pressed && findStage(pressed.tab);
  if (shown?.job && shown.job !== pressed.before && shown.state !== "running") sayEnd(region, shown.state);
}

const findStage = (tab) => tab?.querySelector(".stage-inner")?.dataset;

document.addEventListener("click", ({ target }) => {
  const tab = target.closest?.("button.generate, button.also")?.closest("[role=tabpanel]");
  if (tab) pressed = { tab, before: findStage(tab)?.job };
});

export function startAnnouncements() { setInterval(look, SECOND); }
