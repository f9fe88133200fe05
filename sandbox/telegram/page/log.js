// The list of Bot API calls on the right.
import { el } from "/page/message.js";

const KEPT = 400;
const TIME = new Intl.DateTimeFormat("ko-KR", { timeZone: "Asia/Seoul", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

export class CallLog {
  constructor(panel, list, polls) {
    this.list = list;
    this.last = 0;
    polls.addEventListener("change", () => panel.classList.toggle("polls", polls.checked));
  }

  clear() {
    this.list.replaceChildren();
  }

  add(entry) {
    if (entry.seq <= this.last) return;
    this.last = entry.seq;
    const head = el("summary", "", el("b", "", entry.method), el("small", "", TIME.format(new Date(entry.at))));
    const details = el("details", "", head);
    details.addEventListener("toggle", () => {
      if (details.open && !details.querySelector("pre")) details.append(el("pre", "", JSON.stringify(entry.params, null, 2)));
    });
    const item = el("li", entry.ok ? "" : "failed", details);
    if (!entry.ok) item.append(el("div", "why", `${entry.error_code} ${entry.description}`));
    item.classList.toggle("poll", entry.method.toLowerCase() === "getupdates" && entry.ok);
    this.list.prepend(item);
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
  }
}
