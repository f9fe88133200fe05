// Small helpers for making nodes; text is always text, never markup.
export const $ = (id) => document.getElementById(id);

export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function button(className, onClick, ...children) {
  const node = el("button", className, ...children);
  node.type = "button";
  node.addEventListener("click", onClick);
  return node;
}

/** What is clicked can also be pressed by Enter and Space. */
export function pressable(node, label, onPress) {
  node.tabIndex = 0;
  node.setAttribute("role", "button");
  if (label) node.setAttribute("aria-label", label);
  node.addEventListener("click", onPress);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onPress(event);
  });
  return node;
}

/** Arrow keys, Home and End move among the buttons of a list; only one of them is in the Tab order. */
export function roving(list) {
  list.addEventListener("keydown", (event) => {
    const items = [...list.querySelectorAll("button")];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    items[(to + items.length) % items.length].focus();
  });
}
