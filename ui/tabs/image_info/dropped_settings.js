// Settings that come as text or with a picture: pasted or dropped into a prompt they fill the form instead of standing in it.

const SETTINGS = /(^|\n)\s*Steps: \d+, /;

const isPrompt = (target) => Boolean(target.closest?.(".prompt"));
const findImage = (transfer) => [...(transfer?.files ?? [])].find((each) => each.type.startsWith("image/"));

// What AUTOMATIC1111 and most programs after it write: the prompt, and a line that begins with the steps.
export const isSettingsText = (text) => SETTINGS.test(text);

async function upload(file) {
  const reply = await fetch("sketches", { method: "POST", body: file }).catch(() => null);
  return (await reply?.json().catch(() => null)) ?? {};
}

export function mount(_element, trigger) {
  document.addEventListener("paste", (event) => {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!isPrompt(event.target) || !isSettingsText(text)) return;
    event.preventDefault();
    trigger("parameters", { text });
  });
  document.addEventListener("dragover", (event) => {
    if (isPrompt(event.target) && event.dataTransfer?.types.includes("Files")) event.preventDefault();
  });
  document.addEventListener("drop", async (event) => {
    const file = findImage(event.dataTransfer);
    if (!isPrompt(event.target) || !file) return;
    event.preventDefault();
    const { hash = "", trouble = "" } = await upload(file);
    trigger("picture", { hash, trouble });
  });
}
