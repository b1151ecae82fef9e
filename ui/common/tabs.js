// The row of tabs: the open one stands in the address, and the arrow keys move between them.

export const addressOf = (name) => `#tab=${name.toLowerCase().replaceAll(" ", "-")}`;

const findTabs = () => [...document.querySelectorAll("#tabs > .tab-wrapper [role=tab]")];
const isOpen = (tab) => tab.getAttribute("aria-selected") === "true";

// Without a tab in the address the first one is open.
const currentAddress = (tabs) => (location.hash.startsWith("#tab=") ? location.hash : addressOf(tabs[0].dataset.tabId));

function openFromAddress() {
  const tabs = findTabs(), wanted = tabs.find((each) => addressOf(each.dataset.tabId) === currentAddress(tabs));
  if (wanted && !isOpen(wanted)) wanted.click();
}

// Opens the tab of that label.
export function openTab(label) { findTabs().find((each) => each.dataset.tabId === label)?.click(); }

function noteOpen() {
  const tabs = findTabs(), open = tabs.find(isOpen);
  if (!open) return;
  for (const tab of tabs) tab.tabIndex = tab === open ? 0 : -1;
  open.scrollIntoView({ block: "nearest", inline: "nearest" });
  const address = addressOf(open.dataset.tabId);
  if (address !== currentAddress(tabs)) history.pushState(null, "", address);
}

function move(event) {
  const tabs = findTabs(), now = tabs.indexOf(event.target.closest("[role=tab]"));
  const places = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: tabs.length - 1 };
  if (now < 0 || !(event.key in places)) return;
  const next = tabs.at(places[event.key] % tabs.length);
  event.preventDefault();
  next.focus();
  next.click();
}

function begin(row) {
  openFromAddress();
  noteOpen();
  new MutationObserver(noteOpen).observe(row, { subtree: true, attributes: true, attributeFilter: ["aria-selected"] });
  row.addEventListener("keydown", move);
  addEventListener("popstate", openFromAddress);
}

// Gradio draws the tabs after this script has run.
export function watchTabs() {
  const look = () => {
    const row = document.querySelector("#tabs > .tab-wrapper [role=tablist]");
    if (!row || !findTabs().length) return;
    drawing.disconnect();
    begin(row);
  };
  const drawing = new MutationObserver(look);
  drawing.observe(document.documentElement, { childList: true, subtree: true });
  look();
}
