// Text with entities becomes DOM nodes; the bot's text is never read as HTML.
const TAGS = {
  bold: "b", italic: "i", underline: "u", strikethrough: "s", code: "code", pre: "pre",
  blockquote: "blockquote", expandable_blockquote: "blockquote", spoiler: "span",
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
  if (entity.type === "bot_command") {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    button.addEventListener("click", () => onCommand(text));
    return button;
  }
  if (entity.type === "date_time") {
    const time = document.createElement("time");
    time.title = new Date(entity.unix_time * 1000).toLocaleString("ko-KR", { timeZone: "Asia/Seoul" });
    return time;
  }
  const node = document.createElement(TAGS[entity.type] ?? "span");
  if (entity.type === "spoiler") {
    node.className = "spoiler";
    node.addEventListener("click", () => node.classList.add("shown"));
  }
  if (entity.type === "expandable_blockquote" && text.split("\n").length > 3) {
    node.className = "folded";
    node.addEventListener("click", () => node.classList.toggle("folded"));
  }
  if (entity.type === "code") {
    node.title = "눌러서 복사";
    node.addEventListener("click", () => navigator.clipboard?.writeText(text));
  }
  return node;
}

function link(entity, text) {
  const href = entity.url ?? (entity.type === "email" ? `mailto:${text}` : text);
  const node = document.createElement("a");
  if (SAFE.test(href)) node.href = href;
  node.target = "_blank";
  node.rel = "noopener noreferrer";
  node.title = href;
  return node;
}
