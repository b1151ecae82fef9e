// "?" shows the keyboard shortcuts, and so does its button.

function show() {
  const dialog = document.querySelector("#shortcuts");
  if (dialog && !dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  const isText = event.target.matches?.("input:not([type=range], [type=checkbox], [type=radio]), textarea, select");
  if (event.key !== "?" || isText || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  show();
});
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-shortcuts]")) show();
  // The dialog itself is what is pressed beside its content.
  if (event.target.id === "shortcuts") event.target.close();
});
