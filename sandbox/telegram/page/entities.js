// Text with entities becomes DOM nodes; the bot's text is never read as HTML.
import { button, el, pressable } from "/page/dom.js";
import { instantOf, t } from "/page/i18n.js";

const TAGS = {
  bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", spoiler: "span",
};
const SAFE = /^(https?|tg|mailto|tel):/i;

/** A fragment for `text`; offsets are UTF-16 units, which is what JavaScript counts too. */
export function render(text, entities, onCommand) {
  const sorted = [...(entities ?? [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
  const root = document.createDocumentFragment();
  fill(root, text, 0, text.length, sorted, onCommand);
  return root;
}

function fill(parent, text, start, end, entities, onCommand) {
  let at = start;
  for (let i = 0; i < entities.length; i += 1) {
    const entity = entities[i];
    if (entity.offset < at) continue;
    const stop = Math.min(entity.offset + entity.length, end);
    addText(parent, text.slice(at, entity.offset));
    const inner = entities.slice(i + 1)
      .filter((e) => e.offset < stop)
      .map((e) => ({ ...e, length: Math.min(e.offset + e.length, stop) - e.offset }));
    const node = element(entity, text.slice(entity.offset, stop), onCommand);
    fill(node, text, entity.offset, stop, inner, onCommand);
    if (node.tail) node.append(node.tail);
    parent.append(node);
    at = stop;
    // What sticks out of a partly overlapping entity goes on after it.
    const rest = entities.slice(i + 1)
      .filter((e) => e.offset < stop && e.offset + e.length > stop)
      .map((e) => ({ ...e, offset: stop, length: e.offset + e.length - stop }));
    entities.splice(i + 1, 0, ...rest);
  }
  addText(parent, text.slice(at, end));
}

function addText(parent, text) {
  const afterBlock = parent.lastChild instanceof Element && parent.lastChild.matches("pre, blockquote");
  const shown = afterBlock ? text.replace(/^\n/, "") : text;
  if (shown) parent.append(shown);
}

function element(entity, text, onCommand) {
  if (entity.type === "text_link" || entity.type === "url" || entity.type === "email") return link(entity, text);
  if (entity.type === "bot_command") return button("link", () => onCommand(text));
  if (entity.type === "date_time") {
    const time = el("time", "instant");
    time.dateTime = new Date(entity.unix_time * 1000).toISOString();
    time.title = instantOf(entity.unix_time);
    return time;
  }
  if (entity.type === "expandable_blockquote") return quote(text);
  const node = el(TAGS[entity.type] ?? "span");
  if (entity.type === "spoiler") {
    node.className = "spoiler";
    pressable(node, t("spoiler"), () => {
      node.classList.add("shown");
      for (const name of ["role", "aria-label", "tabindex"]) node.removeAttribute(name);
    });
  }
  if (entity.type === "code") {
    node.title = t("codeCopy");
    node.addEventListener("click", () => navigator.clipboard?.writeText(text).catch(() => {}));
  }
  if (entity.type === "pre") {
    node.tabIndex = 0;
    node.setAttribute("role", "region");
    node.setAttribute("aria-label", entity.language ?? t("codeBlock"));
  }
  return node;
}

/** Long quotations are folded to three lines, with a button that says so. */
function quote(text) {
  const node = el("blockquote");
  if (text.split("\n").length <= 3) return node;
  node.className = "folded";
  const toggle = button("unfold", () => {
    const folded = node.classList.toggle("folded");
    toggle.textContent = t(folded ? "more" : "less");
    toggle.setAttribute("aria-expanded", String(!folded));
  }, t("more"));
  toggle.setAttribute("aria-expanded", "false");
  node.tail = toggle;
  return node;
}

function link(entity, text) {
  const href = entity.url ?? (entity.type === "email" ? `mailto:${text}` : text);
  const node = el("a");
  if (SAFE.test(href)) node.href = href;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  node.title = href;
  return node;
}
