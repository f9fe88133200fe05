// The market clock in Seoul and New York, and its controls where the sandbox may move it.
import { $, button } from "/page/dom.js";
import { clockOf, t } from "/page/i18n.js";

const SPEEDS = [1, 20, 60];
const JUMPS = [["minute", { by_s: 60 }], ["tenMinutes", { by_s: 600 }], ["toOpen", { to: "open" }], ["toReport", { to: "report" }]];

export class MarketClock {
  /** `complain(text)` tells why a jump was refused. */
  constructor(complain) {
    this.complain = complain;
    this.seen = null;
    this.shown = {};
    $("clock").addEventListener("click", () => this.open($("clock-panel").hidden));
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || $("clock-panel").hidden) return;
      this.open(false);
      $("clock").focus();
    });
    document.addEventListener("click", (event) => {
      if (!event.target.closest("#clock, #clock-panel")) this.open(false);
    });
    setInterval(() => this.tick(), 250);
  }

  open(on) {
    $("clock-panel").hidden = !on;
    $("clock").setAttribute("aria-expanded", String(on));
  }

  update(state) {
    const [now, here] = [Date.parse(state.now), performance.now()];
    const measured = this.seen ? (now - this.seen.now) / (here - this.seen.here) : 1;
    this.seen = { now, here, speed: state.clock.paused ? 0 : state.clock.speed ?? Math.max(0, measured) };
    const shape = JSON.stringify([state.clock, document.documentElement.lang]);
    if (shape !== this.shape) this.draw(state.clock);
    this.shape = shape;
    this.tick();
  }

  tick() {
    if (!this.seen) return;
    const now = this.seen.now + (performance.now() - this.seen.here) * this.seen.speed;
    $("clock-kst").textContent = clockOf("Asia/Seoul", now);
    $("clock-et").textContent = clockOf("America/New_York", now);
  }

  draw(clock) {
    $("clock-speed").textContent = clock.paused ? "❚❚" : clock.speed ? `×${clock.speed}` : "";
    const make = (label, body, on) => {
      const node = button(on ? "on" : "", () => this.send(body), label);
      node.disabled = !clock.adjustable;
      if (on !== undefined) node.setAttribute("aria-pressed", String(on));
      return node;
    };
    const speeds = SPEEDS.map((speed) => make(`×${speed}`, { speed }, !clock.paused && clock.speed === speed));
    $("clock-speeds").replaceChildren(make(t(clock.paused ? "resume" : "pause"), { paused: !clock.paused }, clock.paused), ...speeds);
    $("clock-jumps").replaceChildren(...JUMPS.map(([name, body]) => make(t(name), body)));
    $("clock-note").textContent = t(clock.adjustable ? "clockFree" : "clockFixed");
  }

  async send(body) {
    const answer = await fetch("/control/clock", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const result = await answer.json();
    if (!answer.ok) return this.complain(result.error);
    this.seen = null;
    return this.update({ now: result.now, clock: result });
  }
}
