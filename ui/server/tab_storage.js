// Each tab of the browser keeps forms of its own; a new one begins with what was written last in any of them. Gradio keeps a
// form in localStorage, which all tabs share, so this answers for it, before any other script of the page.

const OWN = /^easel-form-/;
const { getItem, setItem } = Storage.prototype;

Storage.prototype.getItem = function get(key) {
  const own = this === localStorage && OWN.test(key) ? getItem.call(sessionStorage, key) : null;
  return own ?? getItem.call(this, key);
};

Storage.prototype.setItem = function set(key, value) {
  if (this === localStorage && OWN.test(key)) setItem.call(sessionStorage, key, value);
  setItem.call(this, key, value);
};
