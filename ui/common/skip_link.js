// The page's first link leads to the prompt of the open tab, or else to the first thing in it that answers.

const ANSWERS = "textarea, input:not([type=file]), button, select, [tabindex='0']";

function findStart() {
  const panel = [...document.querySelectorAll("[role=tabpanel]")].find((each) => each.offsetParent);
  const seen = (selector) => [...(panel?.querySelectorAll(selector) ?? [])].find((each) => each.offsetParent && !each.disabled);
  return seen(".prompt textarea") ?? seen(ANSWERS);
}

document.addEventListener("click", (event) => {
  if (!event.target.closest?.("[data-skip]")) return;
  event.preventDefault();
  findStart()?.focus();
});
