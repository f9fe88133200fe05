// The input field: sending, editing, the command menu, the reply bar and the reply keyboard.
import { $, button, el } from "/page/dom.js";
import { t } from "/page/i18n.js";
import { snippet } from "/page/message.js";

export class Composer {
  /** `send(text, replyTo)` posts a message, `edit(message, text)` changes one. */
  constructor(send, edit) {
    Object.assign(this, { send, edit, commands: [], replyTo: null, edited: null, suffix: "", on: -1 });
    this.input = $("composer");
    this.input.addEventListener("input", () => this.changed());
    this.input.addEventListener("keydown", (event) => this.key(event));
    $("composer-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    $("commands").addEventListener("click", () => {
      this.input.value = this.input.value.startsWith("/") ? "" : "/";
      this.input.focus();
      this.changed();
    });
    $("reply-bar").querySelector("button").addEventListener("click", () => this.cancel());
  }

  submit(text = this.input.value.trim()) {
    if (!text) return;
    if (this.edited) this.edit(this.edited, text);
    else this.send(text, this.replyTo?.message_id ?? null);
    this.input.value = "";
    this.cancel();
    this.changed();
  }

  /** Put an unfinished command into the field, e.g. "/chart ". */
  offer(text) {
    this.input.value = text;
    this.input.focus();
    this.changed();
  }

  reply(message) {
    Object.assign(this, { replyTo: message, edited: null });
    this.bar(message, "reply");
  }

  change(message) {
    Object.assign(this, { replyTo: null, edited: message });
    this.bar(message, "editing");
    this.offer(message.text ?? message.caption ?? "");
  }

  cancel() {
    if (this.edited) this.input.value = "";
    Object.assign(this, { replyTo: null, edited: null });
    $("reply-bar").hidden = true;
  }

  bar(message, what) {
    $("reply-bar").hidden = false;
    $("reply-bar").querySelector("span").replaceChildren(el("b", "", t(what)), ` ${snippet(message)}`);
    this.input.focus();
  }

  keyboard(markup) {
    const box = $("reply-keyboard");
    box.replaceChildren(...(markup?.keyboard ?? []).map((row) => el("div", "", ...row.map((one) => button("", () => this.submit(one.text), one.text)))));
    box.hidden = !box.children.length;
    this.input.placeholder = markup?.input_field_placeholder ?? t("message");
  }

  changed() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 140)}px`;
    const typed = this.input.value;
    const fitting = /^\/\w*$/.test(typed) ? this.commands.filter((one) => `/${one.command}`.startsWith(typed.toLowerCase())) : [];
    $("menu").replaceChildren(...fitting.map((command, at) => this.menuItem(command, at)));
    $("menu").hidden = !fitting.length;
    this.choose(fitting.length ? 0 : -1);
  }

  menuItem(command, at) {
    const text = `/${command.command}${this.suffix}`;
    const node = button("", () => this.submit(text), el("b", "", `/${command.command}`), el("span", "", command.description));
    Object.assign(node, { id: `command-${at}`, tabIndex: -1 });
    node.dataset.text = text;
    node.setAttribute("role", "option");
    return node;
  }

  choose(at) {
    this.on = at;
    [...$("menu").children].forEach((item, index) => {
      item.classList.toggle("on", index === at);
      item.setAttribute("aria-selected", String(index === at));
    });
    const item = $("menu").children[at];
    item?.scrollIntoView({ block: "nearest" });
    if (item) this.input.setAttribute("aria-activedescendant", item.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    if (event.isComposing) return;
    const open = !$("menu").hidden;
    const items = $("menu").children;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.choose((this.on + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length);
      this.input.value = items[this.on].dataset.text;
    } else if (open && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.offer(`${items[this.on].dataset.text} `);
    } else if (event.key === "Escape") {
      $("menu").hidden = true;
      this.cancel();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    }
  }
}
