// The Repair button: the studio ends, and the launcher's page, which takes its address, shows the set-up and becomes the studio.

export function mount(element) {
  element.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-repair]");
    if (button && confirm(button.dataset.ask)) repair(button);
  });
}

async function repair(button) {
  button.disabled = true;
  const reply = await fetch("repair", { method: "POST" });
  if (reply.ok) {
    button.textContent = button.dataset.wait;
    waitForLauncher(false);
  } else {
    button.disabled = false;
    alert(await reply.text());
  }
}

async function waitForLauncher(gone) {
  try {
    const reply = await fetch(location.pathname, { cache: "no-store" });
    if (gone || reply.headers.has("X-Easel-Launch")) {
      location.reload();
      return;
    }
  } catch {
    gone = true; // for a moment nobody listens
  }
  setTimeout(() => waitForLauncher(gone), 500);
}
