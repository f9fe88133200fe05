// The photo viewer: every photo of the chat in order, with arrow keys, Esc, and a click to the true size.
import { $ } from "/page/dom.js";

export class Lightbox {
  constructor() {
    this.box = $("lightbox");
    this.image = this.box.querySelector("img");
    this.photos = [];
    this.at = 0;
    $("lightbox-close").addEventListener("click", () => this.box.close());
    $("lightbox-back").addEventListener("click", () => this.step(-1));
    $("lightbox-on").addEventListener("click", () => this.step(1));
    this.image.addEventListener("click", () => this.box.classList.toggle("full"));
    this.box.addEventListener("click", (event) => event.target.matches("dialog, .stage") && this.box.close());
    this.box.addEventListener("close", () => this.opener?.isConnected && this.opener.focus());
    this.box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.step(step);
    });
  }

  /** `photos`: {id, words} in the chat's order; `id`: the one to begin with; `opener` gets the focus back. */
  open(photos, id, opener) {
    this.photos = photos;
    this.opener = opener;
    this.at = Math.max(0, photos.findIndex((one) => one.id === id));
    this.show();
    if (!this.box.open) this.box.showModal();
  }

  step(by) {
    const next = this.at + by;
    if (next < 0 || next >= this.photos.length) return;
    this.at = next;
    this.show();
  }

  show() {
    const photo = this.photos[this.at];
    this.box.classList.remove("full");
    this.image.src = `/sim/photo/${encodeURIComponent(photo.id)}`;
    this.image.alt = photo.words;
    $("lightbox-words").textContent = photo.words;
    $("lightbox-count").textContent = `${this.at + 1} / ${this.photos.length}`;
    $("lightbox-back").disabled = this.at === 0;
    $("lightbox-on").disabled = this.at === this.photos.length - 1;
  }
}
