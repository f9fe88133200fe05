// One message of the chat, or one album, as DOM: bubble, photos, caption, quote, buttons.
import { button, el, pressable } from "/page/dom.js";
import { render } from "/page/entities.js";
import { dayOf as day, fullOf, instantOf, sizeOf, t, timeOf } from "/page/i18n.js";

const HUES = 7;
export const dayOf = (message) => day(message.date);
export const nameOf = (message) => message.sender_chat?.title ?? message.from?.first_name ?? "";
const bodyOf = (message) => message.text ?? message.caption ?? "";

/** The first line of a message, for quotes, badges and the pinned bar. */
export function snippet(message) {
  if (!message || message.date === 0) return t("gone");
  const kind = message.photo ? `🖼 ${t("photo")}` : message.document ? `📄 ${message.document.file_name}` : "";
  return [kind, bodyOf(message).split("\n").find((line) => line.trim()) ?? ""].filter(Boolean).join(" · ");
}

export function face(id, name) {
  const node = el("span", `face hue-${Math.abs(id) % HUES}`, [...name][0] ?? "?");
  node.setAttribute("aria-hidden", "true");
  return node;
}

/**
 * `acts`: command(text), press(message, button, forged), zoom(file_id), jump(id), menu(message, node);
 * `view`: group (bool), out(message), waiting(id) -> Set of pressed data.
 */
export function draw(messages, acts, view) {
  const [first] = messages;
  const notice = noticeOf(first);
  if (notice !== null) return service(first, notice, acts);
  const out = view.out(first);
  const row = el("div", `row ${out ? "out" : "in"}`);
  row.dataset.messageId = first.message_id;
  row.dataset.date = first.date;
  row.dataset.author = first.author;
  if (!out) row.append(avatar(first, view));
  const column = el("div", "column", messages.length > 1 ? album(messages, acts, view) : bubble(first, acts, view));
  const rows = first.reply_markup?.inline_keyboard;
  row.classList.toggle("has-photo", Boolean(first.photo));
  row.classList.toggle("has-buttons", Boolean(rows ?? first.lost_keyboard));
  if (rows) column.append(keyboard(first, rows, acts, view.waiting(first.message_id), false));
  else if (first.lost_keyboard) column.append(lost(first, acts, view));
  row.append(column);
  const more = button("more", () => acts.menu(messages.at(-1), more), "⋯");
  more.setAttribute("aria-label", `${t("menuOf")}: ${snippet(first)}`);
  more.setAttribute("aria-haspopup", "menu");
  row.append(more);
  row.addEventListener("contextmenu", (event) => {
    if (event.target.closest("a, pre, code") || String(getSelection())) return;
    event.preventDefault();
    acts.menu(messages.at(-1), more);
  });
  return row;
}

function avatar(message, view) {
  if (view.group && !message.from?.is_bot) return face(message.author, nameOf(message));
  if (message.sender_chat) return face(message.sender_chat.id, message.sender_chat.title);
  const image = el("img", "avatar");
  return Object.assign(image, { src: "/page/bot.svg", alt: "", width: 34, height: 34 });
}

function noticeOf(message) {
  if (message.pinned_message) return t("pinnedBy", { text: snippet(message.pinned_message) });
  if (message.new_chat_members) return t("joined", { name: nameOf(message) });
  if (message.left_chat_member) return t("leftChat");
  return null;
}

function service(message, words, acts) {
  const text = el("span", "", words);
  const row = el("div", "service", text);
  row.dataset.messageId = message.message_id;
  row.dataset.date = message.date;
  if (message.pinned_message) pressable(text, "", () => acts.jump(message.pinned_message.message_id));
  return row;
}

function bubble(message, acts, view) {
  const box = el("div", "bubble", ...heads(message, acts, view));
  const above = Boolean(message.show_caption_above_media);
  const body = bodyOf(message);
  const text = el("div", "text", render(body, message.entities ?? message.caption_entities, acts.command));
  if (message.photo && !above) box.append(photo(message, acts));
  if (message.document) box.append(file(message.document));
  if (body) box.append(text);
  if (message.photo && above) box.append(photo(message, acts));
  box.classList.toggle("caption-above", above);
  box.classList.toggle("bare", Boolean(message.photo) && !body);
  if (message.reactions?.length) box.append(el("div", "reactions", ...message.reactions.map((one) => el("span", "", one.emoji))));
  (body && !above && !message.reactions?.length ? text : box).append(meta(message, view));
  return box;
}

function album(messages, acts, view) {
  const captioned = messages.filter(bodyOf);
  const grid = el("div", `album of-${Math.min(messages.length, 4)}`, ...messages.map((one) => (one.photo ? photo(one, acts) : file(one.document))));
  grid.classList.toggle("files", !messages[0].photo);
  const box = el("div", "bubble", ...heads(messages[0], acts, view), grid);
  for (const one of captioned) box.append(el("div", "text", render(bodyOf(one), one.caption_entities, acts.command)));
  box.classList.toggle("bare", !captioned.length);
  (captioned.length ? box.lastChild : box).append(meta(messages.at(-1), view));
  return box;
}

/** Who wrote, whose words these are, and what they answer. */
function heads(message, acts, view) {
  const found = [];
  if (view.group && !view.out(message)) {
    const from = el("div", `from hue-${Math.abs(message.author) % HUES}`, nameOf(message));
    if (message.sender_chat) from.append(el("small", "", t("admin")));
    found.push(from);
  }
  const origin = message.forward_origin;
  if (origin) found.push(el("div", "forwarded", t("forwarded", { name: origin.sender_user?.first_name ?? origin.sender_user_name ?? origin.chat?.title ?? "" })));
  if (message.via_bot) found.push(el("div", "forwarded", t("via", { name: message.via_bot.first_name })));
  if (message.reply_to_message) found.push(quote(message, acts));
  return found;
}

function meta(message, view) {
  const line = el("span", "meta");
  if (message.silent) line.append(titled(el("span", "", "🔕"), t("silent")));
  if (message.edits) line.append(titled(el("span", "edited", t("edited")), t("editedTimes", { at: fullOf(message.edit_date), n: message.edits })));
  line.append(titled(el("time", "", timeOf(message.date)), instantOf(message.date)));
  if (view.out(message)) line.append(el("span", "ticks", "✓✓"));
  return line;
}

function titled(node, title) {
  node.title = title;
  return node;
}

function quote(message, acts) {
  const target = message.reply_to_message;
  return button("quote", () => acts.jump(target.message_id), el("b", "", nameOf(target)), el("span", "", message.quote?.text ?? snippet(target)));
}

/** A picture that opens in the viewer; a veiled one is uncovered first. */
function photo(message, acts) {
  const size = message.photo.at(-1);
  const image = el("img", "photo");
  image.src = `/sim/photo/${encodeURIComponent(size.file_id)}`;
  image.width = size.width;
  image.height = size.height;
  image.alt = snippet({ ...message, photo: null }) || t("photo");
  image.classList.toggle("veiled", Boolean(message.has_media_spoiler));
  const frame = button("frame", () => (image.classList.contains("veiled") ? image.classList.remove("veiled") : acts.zoom(size.file_id, frame)), image);
  frame.dataset.fileId = size.file_id;
  frame.dataset.messageId = message.message_id;
  return frame;
}

function file(document) {
  const size = sizeOf(document.file_size);
  const kind = document.file_name.includes(".") ? document.file_name.split(".").at(-1).slice(0, 4) : "↓";
  const box = el("a", "file", el("i", "", kind), el("span", "", document.file_name, el("small", "", size)));
  box.href = `/sim/document/${encodeURIComponent(document.file_id)}`;
  box.download = document.file_name;
  box.setAttribute("aria-label", t("download", { name: document.file_name, size }));
  return box;
}

/** The buttons that forwarding dropped: shown so that a forged press can be tried. */
function lost(message, acts, view) {
  const rows = message.lost_keyboard.inline_keyboard.map((row) => row.filter((one) => one.callback_data)).filter((row) => row.length);
  if (!rows.length) return "";
  return el("div", "lost", el("p", "", t("lost")), keyboard(message, rows, acts, view.waiting(message.message_id), true));
}

function keyboard(message, rows, acts, waiting, forged) {
  const box = el("div", "buttons");
  for (const row of rows) {
    const line = el("div");
    for (const one of row) {
      const busy = Boolean(one.callback_data) && waiting.has(one.callback_data);
      const node = button(one.style ?? "", () => busy || acts.press(message, one, forged), one.text);
      if (one.url) node.append(el("span", "corner", "↗"));
      if (one.copy_text) node.append(el("span", "corner", t("copy")));
      if (forged) node.append(el("span", "corner", t("forge")));
      if (busy) {
        node.classList.add("waiting");
        node.setAttribute("aria-disabled", "true");
        node.setAttribute("aria-busy", "true");
        node.title = t("pressing");
      }
      line.append(node);
    }
    box.append(line);
  }
  return box;
}
