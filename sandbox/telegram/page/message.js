// One message of the chat as DOM: bubble, photo, caption, quote, buttons.
import { render } from "/page/entities.js";

const TIME = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", hour: "2-digit", minute: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", month: "long", day: "numeric", weekday: "short" });
const FULL = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", dateStyle: "full", timeStyle: "medium" });

export const dayOf = (message) => DAY.format(message.date * 1000);

export function el(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** The first line of a message, for quotes and the pinned bar. */
export function snippet(message) {
  if (!message || message.date === 0) return "지워진 메시지";
  const text = message.text ?? message.caption ?? "";
  const kind = message.photo ? "🖼 사진" : message.document ? `📄 ${message.document.file_name}` : "";
  return [kind, text.split("\n").find((line) => line.trim()) ?? ""].filter(Boolean).join(" · ");
}

/** `acts`: command(text), press(message, button), zoom(src), jump(id), reply(message); `waiting`: pressed data of this message. */
export function draw(message, acts, waiting) {
  if (message.pinned_message) return service(message, acts);
  const rows = message.reply_markup?.inline_keyboard;
  const row = el("div", `row ${message.out ? "out" : "in"}`);
  row.dataset.messageId = message.message_id;
  row.dataset.date = message.date;
  if (!message.out) {
    const face = el("img", "avatar");
    Object.assign(face, { src: "/page/bot.svg", alt: "", width: 34, height: 34 });
    row.append(face);
  }
  const column = el("div", "column", bubble(message, acts));
  row.classList.toggle("has-photo", Boolean(message.photo));
  row.classList.toggle("has-buttons", Boolean(rows));
  if (rows) column.append(keyboard(message, rows, acts, waiting));
  row.append(column);
  return row;
}

function service(message, acts) {
  const text = el("span", "", `📌 고정함: ${snippet(message.pinned_message)}`);
  const row = el("div", "service", text);
  row.dataset.messageId = message.message_id;
  row.dataset.date = message.date;
  text.addEventListener("click", () => acts.jump(message.pinned_message.message_id));
  return row;
}

function bubble(message, acts) {
  const box = el("div", "bubble");
  if (message.forward_origin) box.append(el("div", "forwarded", `전달됨 · ${message.forward_origin.sender_user?.first_name ?? ""}`));
  if (message.reply_to_message) box.append(quote(message, acts));
  const text = el("div", "text");
  const body = message.text ?? message.caption ?? "";
  text.append(render(body, message.entities ?? message.caption_entities, acts.command));
  const above = message.show_caption_above_media;
  if (message.photo && !above) box.append(photo(message, acts));
  if (message.document) box.append(file(message.document));
  if (body) box.append(text);
  if (message.photo && above) box.append(photo(message, acts));
  box.classList.toggle("caption-above", Boolean(above));
  if (message.reactions?.length) box.append(el("div", "reactions", ...message.reactions.map((r) => el("span", "", r.emoji))));
  (body && !above ? text : box).append(meta(message));
  box.addEventListener("dblclick", () => acts.reply(message));
  return box;
}

function meta(message) {
  const line = el("span", "meta");
  if (message.silent) line.append(el("span", "", "🔕"));
  if (message.edits) {
    const mark = el("span", "edited", "수정됨");
    mark.title = `${FULL.format(message.edit_date * 1000)} · ${message.edits}번`;
    line.append(mark);
  }
  const time = el("time", "", TIME.format(message.date * 1000));
  time.title = `${FULL.format(message.date * 1000)} (한국 시각)`;
  line.append(time);
  if (message.out) line.append("✓✓");
  return line;
}

function quote(message, acts) {
  const target = message.reply_to_message;
  const box = el("button", "quote", el("b", "", target.from?.first_name ?? ""), el("span", "", message.quote?.text ?? snippet(target)));
  box.type = "button";
  box.addEventListener("click", () => acts.jump(target.message_id));
  return box;
}

function photo(message, acts) {
  const size = message.photo.at(-1);
  const image = el("img", "photo");
  image.src = `/sim/photo/${encodeURIComponent(size.file_id)}`;
  image.width = size.width;
  image.height = size.height;
  image.alt = snippet({ ...message, photo: null }) || "사진";
  image.classList.toggle("veiled", Boolean(message.has_media_spoiler));
  image.addEventListener("click", () => (image.classList.contains("veiled") ? image.classList.remove("veiled") : acts.zoom(image.src)));
  return image;
}

function file(document) {
  const size = document.file_size < 1024 ? `${document.file_size} B` : `${(document.file_size / 1024).toFixed(1)} KB`;
  const box = el("a", "file", el("i", "", "↓"), el("span", "", document.file_name, el("small", "", size)));
  box.href = `/sim/document/${encodeURIComponent(document.file_id)}`;
  box.download = document.file_name;
  return box;
}

function keyboard(message, rows, acts, waiting) {
  const box = el("div", "buttons");
  for (const row of rows) {
    const line = el("div");
    for (const button of row) {
      const node = el("button", button.style ?? "", button.text);
      node.type = "button";
      if (button.url) node.append(el("span", "corner", "↗"));
      if (button.copy_text) node.append(el("span", "corner", "복사"));
      node.classList.toggle("waiting", Boolean(button.callback_data) && waiting.has(button.callback_data));
      node.addEventListener("click", () => acts.press(message, button));
      line.append(node);
    }
    box.append(line);
  }
  return box;
}
