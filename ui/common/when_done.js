// The title of the browser's tab shows how far a job is. When it is done while another window or tab is looked at, a notification
// and a sound say so, for those who want that: it is asked once, when they come back for the first time.

const KEY = "easel-tell-when-done";
const SECOND = 1000;
const TITLE = document.title;

// The title while jobs run; `shares` are the percentages that the page shows, null for one that is not known yet.
export function describeTitle(shares, title) {
  if (!shares.length) return title;
  const known = shares.filter((share) => share !== null);
  return known.length ? `${Math.round(Math.max(...known))} % · ${title}` : `… ${title}`;
}

// What is to be done when nothing runs any more: "tell", "ask", or nothing, as the user chose and where they look.
export function decide(choice, isHidden) {
  if (!isHidden || choice === "no") return "";
  return choice === "yes" ? "tell" : "ask";
}

function findShares() {
  const bars = [...document.querySelectorAll(".making .bar[role=progressbar]")];
  return bars.map((bar) => (bar.hasAttribute("aria-valuenow") ? Number(bar.getAttribute("aria-valuenow")) : null));
}

let sound = null;

// Two short notes. A browser plays them only after the first press on the page.
function play() {
  sound ??= new AudioContext();
  const [now, notes] = [sound.currentTime, [660, 880]];
  notes.forEach((pitch, index) => {
    const [tone, volume] = [sound.createOscillator(), sound.createGain()];
    const start = now + index * 0.14;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.08, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + 0.3);
    tone.connect(volume).connect(sound.destination);
    tone.start(start);
    tone.stop(start + 0.3);
  });
}

function tell() {
  play();
  const said = document.querySelector("#when-done")?.dataset.done ?? "";
  if (window.Notification?.permission !== "granted") return;
  const note = new Notification(TITLE, { body: said, tag: "easel-done" });
  note.onclick = () => { window.focus(); note.close(); };
}

let wasRunning = false;
let isToAsk = false;

function look() {
  const shares = findShares();
  const title = describeTitle(shares, TITLE);
  if (document.title !== title) document.title = title;
  if (wasRunning && !shares.length) {
    const wanted = decide(localStorage.getItem(KEY), document.hidden);
    if (wanted === "tell") tell();
    isToAsk ||= wanted === "ask";
  }
  wasRunning = shares.length > 0;
}

function showQuestion() {
  const question = document.querySelector("#when-done");
  if (document.hidden || !isToAsk || !question) return;
  isToAsk = false;
  question.hidden = false;
}

document.addEventListener("visibilitychange", showQuestion);
document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("#when-done [data-tell]");
  if (!button) return;
  localStorage.setItem(KEY, button.dataset.tell);
  document.querySelector("#when-done").hidden = true;
  if (button.dataset.tell === "yes") {
    play();
    await window.Notification?.requestPermission();
  }
});
setInterval(look, SECOND);
