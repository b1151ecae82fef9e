// A choice in a row of the inventory: what the user says that a file is.

export function mount(element, trigger) {
  element.addEventListener("click", (event) => {
    const [button, row] = [event.target.closest("[data-trash]"), event.target.closest("[data-entry]")];
    if (button && confirm(button.dataset.ask)) trigger("trash", { entry: row.dataset.entry });
  });
  element.addEventListener("change", (event) => {
    const row = event.target.closest("[data-entry]");
    if (!row) return;
    const chosen = (name) => row.querySelector(`[name=${name}]`)?.value ?? "";
    const [family, prediction_type, vae] = ["family", "prediction_type", "vae"].map(chosen);
    const [steps, guidance_scale, words_before] = ["steps", "guidance_scale", "words_before"].map(chosen);
    trigger("choose", { entry: row.dataset.entry, family, prediction_type, steps, guidance_scale, vae, words_before });
  });
}
