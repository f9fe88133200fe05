// The input field: sending, the command menu, the reply bar and the reply keyboard.
import { el, snippet } from "/page/message.js";

const $ = (id) => document.getElementById(id);

export class Composer {
  /** `send(text, replyTo)` posts a message. */
  constructor(send) {
    this.send = send;
    this.commands = [];
    this.replyTo = null;
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
    $("reply-bar").querySelector("button").addEventListener("click", () => this.reply(null));
  }

  submit(text = this.input.value.trim()) {
    if (!text) return;
    this.send(text, this.replyTo?.message_id ?? null);
    this.input.value = "";
    this.reply(null);
    this.changed();
  }

  /** Put an unfinished command into the field, e.g. "/chart ". */
  offer(text) {
    this.input.value = text;
    this.input.focus();
    this.changed();
  }

  reply(message) {
    this.replyTo = message;
    $("reply-bar").hidden = !message;
    if (!message) return;
    $("reply-bar").querySelector("span").textContent = snippet(message);
    this.input.focus();
  }

  keyboard(markup) {
    const box = $("reply-keyboard");
    box.replaceChildren(...(markup?.keyboard ?? []).map((row) => el("div", "", ...row.map((button) => this.replyButton(button)))));
    box.hidden = !box.children.length;
    this.input.placeholder = markup?.input_field_placeholder ?? "메시지";
  }

  replyButton(button) {
    const node = el("button", "", button.text);
    node.type = "button";
    node.addEventListener("click", () => this.submit(button.text));
    return node;
  }

  changed() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 140)}px`;
    const typed = this.input.value;
    const fitting = /^\/\w*$/.test(typed) ? this.commands.filter((c) => `/${c.command}`.startsWith(typed.toLowerCase())) : [];
    $("menu").replaceChildren(...fitting.map((command) => this.menuItem(command)));
    $("menu").firstChild?.classList.add("on");
    $("menu").hidden = !fitting.length;
  }

  menuItem(command) {
    const node = el("button", "", el("b", "", `/${command.command}`), el("span", "", command.description));
    node.type = "button";
    node.addEventListener("click", () => this.submit(`/${command.command}`));
    return node;
  }

  key(event) {
    if (event.isComposing) return;
    const open = !$("menu").hidden;
    if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      this.move(event.key === "ArrowDown" ? 1 : -1);
    } else if (open && event.key === "Tab") {
      event.preventDefault();
      this.offer(`${$("menu").querySelector(".on b").textContent} `);
    } else if (event.key === "Escape") {
      $("menu").hidden = true;
      this.reply(null);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.submit();
    }
  }

  move(step) {
    const items = [...$("menu").children];
    const now = items.findIndex((item) => item.classList.contains("on"));
    const next = items[(now + step + items.length) % items.length];
    items[now]?.classList.remove("on");
    next.classList.add("on");
    next.scrollIntoView({ block: "nearest" });
    this.input.value = next.querySelector("b").textContent;
  }
}
