// A group of buttons is one Tab stop: the arrow keys move inside it, Home and End to its ends. The group has `data-roving`.

const listItems = (group) => [...group.querySelectorAll("button, input")].filter((each) => !each.disabled && !each.hidden);

// Makes `chosen` the group's Tab stop; without one, the one before stays or, where it cannot be used any more, the first is it.
export function settle(group, chosen) {
  const items = listItems(group), stop = chosen ?? items.find((each) => each.tabIndex === 0) ?? items[0];
  for (const each of group.querySelectorAll("button, input")) each.tabIndex = each === stop ? 0 : -1;
}

// Where a key leads from the item numbered `now` of `count`; null for keys that mean nothing here.
export function findNext(key, now, count, isSlider = false) {
  const along = { ArrowLeft: -1, ArrowRight: 1, ...(isSlider ? {} : { ArrowUp: -1, ArrowDown: 1 }) };
  if (key in along) return (now + along[key] + count) % count;
  return { Home: 0, End: count - 1 }[key] ?? null;
}

document.addEventListener("keydown", (event) => {
  const group = event.target.closest?.("[data-roving]");
  if (!group || event.ctrlKey || event.metaKey || event.altKey) return;
  const items = listItems(group), now = items.indexOf(event.target);
  const next = now < 0 ? null : findNext(event.key, now, items.length, event.target.type === "range");
  if (next === null) return;
  event.preventDefault();
  event.stopPropagation();
  items[next].focus();
}, true);

document.addEventListener("focusin", ({ target }) => {
  const group = target.closest?.("[data-roving]");
  if (group && listItems(group).includes(target)) settle(group, target);
});
