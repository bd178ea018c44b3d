// The page's parts. Whatever comes from outside goes in as text and never as markup.

export const byId = (id) => document.getElementById(id);

export const copyOf = (template) => byId(template).content.cloneNode(true).firstElementChild;

/** Sets an element's text, if it is another: a live region speaks whenever it is touched. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export const fill = (element, selector, text) => say(element.querySelector(selector), text);

export function made(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
}

/**
 * Makes a holder's children those of `items`, in their order. Children are kept from one time to
 * the next by their key, so that what has the focus keeps it; and moved only if out of place.
 */
export function keep(holder, items, { key, make, update }) {
  const old = new Map([...holder.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const name = key(item);
    const child = old.get(name) ?? make(item);
    old.delete(name);
    child.dataset.key = name;
    update(child, item);
    if (holder.children[place] !== child) holder.insertBefore(child, holder.children[place] ?? null);
  });
  for (const child of old.values()) child.remove();
}
