// The list of messages: adding, changing and removing rows, albums, pins, and staying at the bottom.
import { $, button, el } from "/page/dom.js";
import { t } from "/page/i18n.js";
import { dayOf, draw, snippet } from "/page/message.js";

const NEAR_PX = 120;
const JOINED_ROWS = 60;

export class Pane {
  /** `acts` as in message.js; `isOut(message)`: written by whoever looks. */
  constructor(acts, isOut) {
    this.acts = acts;
    this.box = $("messages");
    this.messages = new Map();
    this.pressed = new Map();
    this.pins = [];
    this.unread = 0;
    this.view = { group: false, out: isOut, waiting: (id) => this.pressed.get(id) ?? new Set() };
    this.box.addEventListener("scroll", () => this.scrolled());
    $("to-bottom").addEventListener("click", () => this.toBottom());
    $("pinned").addEventListener("click", () => this.jump(this.pins.at(-1)));
  }

  clear(group) {
    this.messages.clear();
    this.pressed.clear();
    this.view.group = group;
    this.box.replaceChildren();
  }

  /** An empty chat: what is it for, and a button where there is something to start. */
  welcome(title, text, start) {
    this.box.append(el("div", "empty", el("div", "", el("strong", "", title), el("span", "", text), start ? button("", start, t("start")) : "")));
  }

  near() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR_PX;
  }

  scrolled() {
    $("to-bottom").hidden = this.near();
    if (this.near()) this.read();
  }

  read() {
    this.unread = 0;
    $("unread").textContent = "";
  }

  toBottom() {
    this.box.scrollTop = this.box.scrollHeight;
    this.read();
  }

  row(id) {
    return this.box.querySelector(`[data-message-id="${id}"]`)?.closest(".row, .service");
  }

  /** All messages of an album, or the one. */
  family(message) {
    if (!message.media_group_id) return [message];
    return [...this.messages.values()].filter((one) => one.media_group_id === message.media_group_id);
  }

  add(message, fresh) {
    if (this.messages.has(message.message_id)) return this.change(message, false);
    this.box.querySelector(".empty")?.remove();
    const last = [...this.messages.values()].at(-1);
    this.messages.set(message.message_id, message);
    const family = this.family(message);
    const row = draw(family, this.acts, this.view);
    row.classList.toggle("fresh", fresh);
    if (family.length > 1) this.row(family[0].message_id).replaceWith(row);
    else {
      if (!last || dayOf(last) !== dayOf(message)) this.box.append(el("div", "day", el("span", "", dayOf(message))));
      this.box.append(row);
    }
    return this.joinRuns();
  }

  /** A message that came while somebody looks; `mine` always scrolls. */
  arrive(message, mine) {
    const stay = this.near();
    this.add(message, true);
    if (stay || mine) this.toBottom();
    else $("unread").textContent = String(this.unread += 1);
  }

  change(message, flash) {
    this.messages.set(message.message_id, message);
    const old = this.row(message.message_id);
    if (!old) return;
    const stay = this.near();
    const row = draw(this.family(message), this.acts, this.view);
    row.classList.toggle("flash", flash);
    const focus = old.contains(document.activeElement) ? places(old).indexOf(document.activeElement) : -1;
    keepOpen(old, row);
    old.replaceWith(row);
    if (focus >= 0) (places(row)[focus] ?? this.box).focus({ preventScroll: true });
    this.joinRuns();
    if (stay) this.toBottom();
  }

  remove(id) {
    const message = this.messages.get(id);
    if (!message) return;
    const row = this.row(id);
    this.messages.delete(id);
    const left = this.family(message).filter((one) => one.message_id !== id);
    if (left.length) row?.replaceWith(draw(left, this.acts, this.view));
    else row?.remove();
    this.joinRuns();
  }

  wait(id, data) {
    this.pressed.set(id, (this.pressed.get(id) ?? new Set()).add(data));
    this.again(id);
  }

  waited(id, data) {
    if (this.pressed.get(id)?.delete(data)) this.again(id);
  }

  again(id) {
    const message = this.messages.get(id);
    if (message) this.change(message, false);
  }

  /** The picture beside a message stands only at the last of several in a row by the same author. */
  joinRuns() {
    const rows = [...this.box.children].slice(-JOINED_ROWS);
    rows.forEach((row, at) => {
      const next = rows[at + 1];
      row.classList.toggle("joined", row.matches(".row.in") && Boolean(next?.matches(".row.in")) && next.dataset.author === row.dataset.author);
      const before = rows[at - 1];
      row.classList.toggle("follows", row.matches(".row.in") && Boolean(before?.matches(".row.in")) && before.dataset.author === row.dataset.author);
    });
  }

  jump(id) {
    const row = this.row(id);
    if (!row) return;
    row.scrollIntoView({ block: "center" });
    row.classList.remove("flash");
    requestAnimationFrame(() => row.classList.add("flash"));
  }

  drawPins() {
    const message = this.messages.get(this.pins.at(-1));
    $("pinned").hidden = !message;
    if (message) $("pinned").replaceChildren(el("b", "", t("pinnedTitle")), el("span", "", snippet(message)));
  }

  photos() {
    return [...this.messages.values()].filter((one) => one.photo).map((one) => ({ id: one.photo.at(-1).file_id, words: snippet({ ...one, photo: null }) || t("photo") }));
  }
}

const places = (row) => [...row.querySelectorAll("button, a, [tabindex]")];

/** What a person has opened in a message stays open when the message is drawn anew. */
function keepOpen(old, row) {
  const [quotes, spoilers] = [row.querySelectorAll(".unfold"), row.querySelectorAll(".spoiler")];
  old.querySelectorAll(".unfold").forEach((one, at) => one.getAttribute("aria-expanded") === "true" && quotes[at]?.click());
  old.querySelectorAll(".spoiler").forEach((one, at) => one.classList.contains("shown") && spoilers[at]?.click());
}
