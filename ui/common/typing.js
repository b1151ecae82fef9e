// Replaces a part of a text field as if it was typed, so that Ctrl+Z takes it back and the page notices it.
export function replaceText(field, start, end, replacement) {
  field.focus();
  field.setSelectionRange(start, end);
  // Where a browser cannot do that, the text is replaced without an undo.
  if (!document.execCommand("insertText", false, replacement)) {
    field.setRangeText(replacement, start, end, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
