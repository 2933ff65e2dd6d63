// Small things about elements. Text only ever enters a page through textContent.

/** make("p", {className: "x"}, child, "text"): an element with properties and children. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Sets a property only where it differs, so that a render without news touches nothing. */
export function set(element, property, value) {
  if (element[property] !== value) element[property] = value;
}

export function attribute(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** What a button says, and what it is about: for those who hear one button without its row. */
export function label(element, word, about) {
  set(element, "textContent", word);
  attribute(element, "aria-label", `${word}: ${about}`);
}

export function button(word, about, onclick) {
  const element = make("button", { type: "button", onclick });
  label(element, word, about);
  return element;
}

/** Copies text; where the clipboard is closed (no TLS), by the old way of a selected field. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { value: text, readOnly: true, className: "unseen" });
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("copying is not allowed here");
  }
}
