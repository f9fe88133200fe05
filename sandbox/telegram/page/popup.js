// A small menu at a button: arrow keys, Enter, Esc.
import { $, button, roving } from "/page/dom.js";

const EDGE_PX = 8;
let closing = () => {};
roving($("popup"));
$("popup").addEventListener("keydown", (event) => {
  if (event.key !== "Escape" && event.key !== "Tab") return;
  event.preventDefault();
  closing(true);
});
document.addEventListener("pointerdown", (event) => !event.target.closest("#popup") && closing(false));
document.addEventListener("scroll", () => closing(false), true);

/** `items`: [label, act]; the focus goes back to `opener`. */
export function popup(opener, items) {
  const box = $("popup");
  closing = (back) => {
    box.hidden = true;
    closing = () => {};
    if (back && opener.isConnected) opener.focus();
  };
  box.replaceChildren(...items.map(([label, act]) => {
    const node = button("", () => { closing(true); act(); }, label);
    node.setAttribute("role", "menuitem");
    return node;
  }));
  box.hidden = false;
  const at = opener.getBoundingClientRect();
  box.style.left = `${Math.max(EDGE_PX, Math.min(at.left, innerWidth - box.offsetWidth - EDGE_PX))}px`;
  box.style.top = `${Math.max(EDGE_PX, Math.min(at.bottom, innerHeight - box.offsetHeight - EDGE_PX))}px`;
  box.firstChild.focus({ preventScroll: true });
}
