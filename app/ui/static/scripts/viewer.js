// The viewer: takes the server's messages, and draws everything in the browser.

import { Actions } from "./actions.js";
import { buildClosedParts, listenForDrops } from "./drop.js";
import { Projector } from "./film/projector.js";
import { History } from "./history.js";
import { loadLater } from "./later.js";
import { Lens } from "./lens.js";
import { linked } from "./link.js";
import { Looks } from "./looks.js";
import { unpack } from "./maps.js";
import { Tabs } from "./panes/tabs.js";
import { example, Tour, wholeExample } from "./tour.js";
import { listenForTroubles } from "./troubles.js";
import { Chips } from "./words/chips.js";

export function mount(element, gradio) {
  if (element.dataset.mounted) return;
  element.dataset.mounted = "true";
  const viewer = new Viewer(element, gradio);
  window.limelight = viewer; // for the console, and for the page's own buttons
}

const $ = (root, selector) => root.querySelector(selector);

class Viewer {
  constructor(element, { trigger, props, watch }) {
    this.element = element;
    this.trigger = trigger;
    this.message = null;
    this.active = 0; // which picture of the run
    this.liveFrames = 0;
    this.lens = new Lens(element, this);
    this.chips = new Chips(element, this);
    this.tabs = new Tabs(element, this);
    this.history = new History($(element, ".history"), this);
    this.images = new Map(); // url -> loaded image
    this.unpacked = new WeakMap(); // a picture's maps, unpacked
    this.before = null; // the picture that a word is weighed in
    this.tour = new Tour(this);
    this.actions = new Actions(element, this);
    this.projector = new Projector(element);
    this.looks = new Looks(element, this);
    loadLater(element, this);
    this.keys();
    listenForDrops(this);
    listenForTroubles(this);
    watch("value", () => this.take(props.value));
    if (props.value) this.take(props.value);
    else this.open();
    addEventListener("hashchange", () => linked() && this.follow(linked()));
  }

  /** Shows what the address asks for, or the picture that is shipped with the page, unless another comes. */
  async open() {
    const link = linked();
    if (link) this.follow(link);
    const picture = await example();
    if (!picture || this.message) return;
    this.recall(picture);
    await this.rendered;
    if (this.picture === picture && !link) this.tour.begin();
  }

  /** Brings back what a link holds: its picture from the history, or its settings, to be drawn. */
  async follow({ settings, word }) {
    this.lens.wanted = word ? [word] : [];
    await this.history.ready.catch(() => null);
    const known = this.history.find(settings);
    if (known) this.recall(known);
    await buildClosedParts();
    this.send("recall", { settings, kind: "all" });
    if (known) return;
    await this.rendered;
    this.lens.wanted = word ? [word] : [];
    this.say("A link brought you here. Press Draw to see its picture.");
  }

  /** Loads all maps of the example, for somebody who looks closer. */
  async complete() {
    const shown = this.picture;
    if (shown?.is_whole !== false || shown === this.completing) return;
    this.completing = shown;
    const whole = await wholeExample();
    if (!whole || this.picture !== shown) return;
    this.message = { ...this.message, pictures: [{ ...whole, is_whole: true }] };
    await this.render();
  }

  /** Drops the run that is shown after another was requested; a refusal brings it back. */
  leave() {
    this.tour.end();
    if (this.tour.isLit) this.tour.giveUp();
    this.left = this.message ?? this.left;
    this.message = null;
    this.lens.forget();
    this.actions.hide();
  }

  get picture() {
    return this.message?.pictures[this.active] ?? null;
  }

  /** Takes a message: a run as it stands. */
  take(value) {
    if (!value) return;
    const message = JSON.parse(JSON.stringify(value)); // out of gradio's proxies
    if (message.error) {
      this.busy(false);
      this.before = null;
      this.see?.failed();
      if (!this.message && this.left) {
        this.message = this.left;
        this.reported = this.picture.id;
        this.render();
      }
      if (this.message) this.chips.refresh(); // a weight that was refused
      this.say(message.error, "error");
      return;
    }
    if (message.run !== this.message?.run) {
      this.tour.end();
      this.active = 0;
      this.liveFrames = 0;
      this.saved = new Set();
      this.lens.reset();
      this.lens.film.end();
      this.show("picture");
    }
    this.message = message;
    this.busy(!message.is_over);
    this.keep(message);
    if (this.picture?.state === "drawing" && this.picture.image) this.liveFrames += 1;
    this.render();
  }

  /** Puts finished pictures into the history, each once. */
  keep(message) {
    for (const picture of message.pictures) {
      if (picture.state !== "done" || this.saved.has(picture.id)) continue;
      this.saved.add(picture.id);
      this.history.add(picture);
      if (this.before) {
        const { before } = this;
        this.tabs.between(before, picture, () => this.history.takeBack(picture, before));
        this.before = null;
      }
    }
  }

  /** Brings a picture's settings back into the form. */
  async bringBack(picture) {
    await buildClosedParts();
    this.send("recall", { settings: picture.settings, kind: "all" });
  }

  /** Shows a finished picture from the history. */
  recall(picture) {
    this.message = { run: `history ${picture.id}`, is_over: true, note: "", pictures: [picture] };
    this.active = 0;
    this.saved = new Set([picture.id]);
    this.lens.reset();
    this.rendered = this.render();
  }

  maps() {
    const packed = this.picture?.maps;
    if (!packed) return null;
    if (!this.unpacked.has(packed)) this.unpacked.set(packed, unpack(packed));
    return this.unpacked.get(packed);
  }

  async render() {
    const { picture } = this;
    if (!picture) return;
    this.status(picture);
    this.strip();
    this.chips.render(picture, this.maps());
    this.actions.show(picture);
    for (const part of this.element.querySelectorAll(".places, .seeing")) {
      part.hidden = false;
      part.inert = picture.state !== "done";
    }
    this.places?.show(picture);
    this.see?.show(picture);
    await this.lens.show(picture, this.maps());
    if (this.tabs.isShown("attention")) this.tabs.refresh();
  }

  status(picture) {
    if (picture.state === "done" && this.reported === picture.id) return; // a later message stays
    this.reported = picture.state === "done" ? picture.id : null;
    const { state, index, count, position, seconds_left: left } = picture;
    const bar = $(this.element, ".progress");
    bar.dataset.state = state;
    $(bar, "i").style.width = `${count ? (100 * index) / count : 0}%`;
    const finished = this.message.pictures.filter((each) => each.state === "done").length;
    const many =
      this.message.pictures.length > 1 ? ` · ${finished} of ${this.message.pictures.length} done` : "";
    const lines = {
      waiting: position === null ? "About to begin" : `Number ${position} in the queue`,
      drawing: `Step ${index} of ${count}${left === null ? "" : ` · ${seconds(left)} left`}`,
      done: this.message.note,
      failed: picture.error,
      stopped: `Stopped at step ${index} of ${count}`,
    };
    this.say(state === "done" ? lines.done : lines[state] + many, state === "failed" ? "error" : "");
  }

  say(text, kind = "") {
    const status = $(this.element, ".status");
    if (status.textContent !== text) status.textContent = text;
    status.dataset.kind = kind;
  }

  busy(is) {
    document.querySelector("#desk").dataset.busy = is;
  }

  strip() {
    const strip = $(this.element, ".strip");
    const { pictures } = this.message;
    strip.hidden = pictures.length < 2;
    strip.replaceChildren(
      ...(strip.hidden ? [] : pictures).map((picture, i) => {
        const button = document.createElement("button");
        button.type = "button";
        button.setAttribute("aria-pressed", i === this.active);
        button.setAttribute("aria-label", `Picture ${i + 1}, seed ${picture.seed}, ${picture.state}`);
        if (picture.image) button.style.backgroundImage = `url("${picture.image}")`;
        button.addEventListener("click", () => {
          this.active = i;
          this.render();
        });
        return button;
      }),
    );
  }

  keys() {
    document.querySelector("#draw")?.addEventListener("click", () => this.leave(), { capture: true });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && document.querySelector("#desk").dataset.busy === "true")
        this.send("stop", {});
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector("#draw")?.click();
    });
  }

  /** Sends an event to the server. */
  send(event, data) {
    this.trigger(event, data);
  }

  /** Asks for the same picture with another weight of a word; that of its attention keeps the picture. */
  weigh(chip, weight, by = "prompt") {
    this.again({ span: chip.span, [by === "attention" ? "scale" : "weight"]: weight });
  }

  /** Asks for the picture that is shown with something changed, and compares them. */
  again(change) {
    const { picture } = this;
    if (picture?.state !== "done") return;
    this.before = picture;
    this.send("again", { ...change, settings: picture.settings, model: picture.model });
  }

  show(name) {
    this.tabs.show(name);
  }

  /** A loaded image of a url. */
  async image(url) {
    if (!url) return null;
    if (!this.images.has(url)) {
      const image = new Image();
      image.src = url;
      if (this.images.size > 8) this.images.delete(this.images.keys().next().value);
      this.images.set(
        url,
        image.decode().then(() => image),
      );
    }
    return this.images.get(url);
  }
}

function seconds(number) {
  return number < 90 ? `${Math.max(1, Math.round(number))} s` : `${Math.round(number / 60)} min`;
}
