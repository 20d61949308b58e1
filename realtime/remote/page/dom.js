// Small helpers for elements.

/** Returns a new element with attributes, and children that are elements or text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "boolean") element.toggleAttribute(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const find = (id) => document.getElementById(id);

export const percent = (share) => `${Math.round(100 * share)} %`;

// A slider that is being moved is not moved by what the server says about a moment ago.
const HELD_MS = 400;

/** Returns whether somebody has just used an element. */
export function isHeld(element) {
  return performance.now() - (element.usedAt ?? -HELD_MS) < HELD_MS;
}

export function hold(element) {
  element.usedAt = performance.now();
}
