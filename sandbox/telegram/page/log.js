// The list of Bot API calls: parameters, results, errors in red, refusals for flooding in amber, a filter.
import { $, el } from "/page/dom.js";
import { secondsOf, t } from "/page/i18n.js";

const KEPT = 400;
const SHOWN = ["text", "caption", "action", "callback_query_id"];

export class CallLog {
  constructor() {
    this.list = $("calls");
    this.last = 0;
    this.clear();
    $("log-polls").addEventListener("change", () => $("log").classList.toggle("polls", $("log-polls").checked));
    $("log-failed").addEventListener("change", () => $("log").classList.toggle("failed-only", $("log-failed").checked));
    $("log-clear").addEventListener("click", () => this.clear());
    $("log-filter").addEventListener("input", () => this.list.querySelectorAll("li").forEach((item) => this.sift(item)));
  }

  clear() {
    this.list.replaceChildren();
    this.counts = { calls: 0, failed: 0, flood: 0 };
    this.count();
  }

  count() {
    const { calls, failed, flood } = this.counts;
    $("log-count").textContent = calls ? t("callCount", { n: calls }) : t("noCalls");
    $("log-errors").textContent = failed ? t("failCount", { n: failed }) : "";
    $("log-floods").textContent = flood ? t("floodCount", { n: flood }) : "";
  }

  add(entry) {
    if (entry.seq <= this.last) return;
    this.last = entry.seq;
    const poll = entry.method.toLowerCase() === "getupdates" && entry.ok;
    const flood = entry.error_code === 429;
    if (!poll) this.counts.calls += 1;
    if (flood) this.counts.flood += 1;
    else if (!entry.ok) this.counts.failed += 1;
    this.count();
    const item = el("li", entry.ok ? "" : flood ? "failed flood" : "failed", this.details(entry));
    if (!entry.ok) item.append(el("div", "why", `${entry.error_code} ${entry.description}`));
    item.classList.toggle("poll", poll);
    item.words = `${entry.method} ${JSON.stringify(entry.params)} ${entry.description ?? ""}`.toLowerCase();
    this.sift(item);
    this.list.prepend(item);
    while (this.list.children.length > KEPT) this.list.lastChild.remove();
  }

  details(entry) {
    const about = SHOWN.map((name) => entry.params[name]).find((value) => value !== undefined) ?? (entry.params.message_id ? `#${entry.params.message_id}` : "");
    const brief = el("span", "brief", String(about).replace(/<[^>]*>/g, "").slice(0, 80));
    const head = el("summary", "", el("b", "", entry.method), el("small", "", secondsOf(new Date(entry.at))), brief);
    const details = el("details", "", head);
    details.addEventListener("toggle", () => {
      if (!details.open || details.querySelector("pre")) return;
      details.append(el("h3", "", t("parameters")), block(entry.params));
      if (entry.ok) details.append(el("h3", "", t("result")), block(entry.result));
    });
    return details;
  }

  sift(item) {
    const wanted = $("log-filter").value.trim().toLowerCase();
    item.hidden = Boolean(wanted) && !item.words.includes(wanted);
  }
}

function block(value) {
  const node = el("pre", "", typeof value === "string" ? value : JSON.stringify(value, null, 2));
  node.tabIndex = 0;
  return node;
}
