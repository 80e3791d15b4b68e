// The viewer: takes the server's messages, and draws everything after that by itself.

import { Attention } from "./attention.js";
import { Chips } from "./chips.js";
import { Compare } from "./compare.js";
import { listenForDrops } from "./drop.js";
import { History } from "./history.js";
import { Lens } from "./lens.js";
import { unpack } from "./maps.js";
import { example, Tour } from "./tour.js";

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
    this.attention = new Attention($(element, "#pane-attention"), this);
    this.compare = new Compare($(element, "#pane-compare"));
    this.history = new History($(element, ".history"), this);
    this.images = new Map(); // url -> loaded image
    this.unpacked = new WeakMap(); // a picture's maps, unpacked
    this.before = null; // the picture that a word is weighed in
    this.kept = new Set(); // pictures whose maps the server still has
    this.tour = new Tour(this);
    this.tabs();
    this.buttons();
    listenForDrops(this);
    watch("value", () => this.take(props.value));
    if (props.value) this.take(props.value);
    else this.open();
  }

  /** Shows the picture that is shipped with the page, unless another comes first. */
  async open() {
    const picture = await example();
    if (!picture || this.message) return;
    this.recall(picture);
    await this.rendered;
    if (this.picture === picture) this.tour.begin();
  }

  /** Leaves the run that is shown, for another has been asked for; a refusal brings it back. */
  leave() {
    this.tour.end();
    this.left = this.message ?? this.left;
    this.message = null;
    this.lens.forget();
    $(this.element, ".actions").hidden = true;
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
      if (!this.message && this.left) {
        this.message = this.left;
        this.render().then(() => this.say(message.error, "error"));
      }
      this.say(message.error, "error");
      return;
    }
    if (message.run !== this.message?.run) {
      this.tour.end();
      this.active = 0;
      this.liveFrames = 0;
      this.saved = new Set();
      this.lens.reset();
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
      this.kept.add(picture.id);
      this.history.add(picture);
      if (this.before) {
        this.compare.set(this.before, picture);
        this.before = null;
        this.show("compare");
      }
    }
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
    this.facts(picture);
    await this.lens.show(picture, this.maps());
    if (!$(this.element, "#pane-attention").hidden) this.attention.render(picture, this.maps());
  }

  status(picture) {
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

  facts(picture) {
    const actions = $(this.element, ".actions");
    actions.hidden = picture.state !== "done";
    if (actions.hidden) return;
    const { settings } = picture;
    const [width, height] = picture.size ?? [settings.width, settings.height];
    $(actions, ".facts").textContent = [
      `${width}×${height}`,
      `${settings.num_steps} steps`,
      `guidance ${settings.guidance_scale}`,
      `seed ${picture.seed}`,
      ...(settings.lossy_cache_interval > 1 ? [`lossy cache ${settings.lossy_cache_interval}`] : []),
    ]
      .map((fact) => fact.replace(" ", "\u00a0"))
      .join(" · ");
    const save = $(actions, ".save");
    save.href = picture.image;
    save.download = picture.file_name;
    for (const [selector, kind] of [
      [".save-maps", "maps.npz"],
      [".save-sheet", "sheet.png"],
    ]) {
      const link = $(actions, selector);
      link.hidden = !picture.maps || !this.kept.has(picture.id);
      link.href = new URL(`made/${picture.id}/${kind}`, document.baseURI);
    }
  }

  buttons() {
    $(this.element, ".keep-seed").addEventListener("click", () =>
      this.send("recall", { settings: { seed: this.picture.seed }, kind: "seed" }),
    );
    $(this.element, ".use-settings").addEventListener("click", () =>
      this.send("recall", { settings: this.picture.settings, kind: "all" }),
    );
    $(this.element, ".redraw").addEventListener("click", () => {
      const start = document.querySelector("#start");
      if (!start.querySelector(".painter")?.offsetParent) start.querySelector("button.label-wrap").click();
      this.startFrom = this.picture.image; // the painter takes it once it is there
      document.dispatchEvent(new Event("start-from"));
    });
    document.querySelector("#draw")?.addEventListener("click", () => this.leave(), { capture: true });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && document.querySelector("#desk").dataset.busy === "true")
        this.send("stop", {});
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.querySelector("#draw")?.click();
    });
  }

  /** Tells the server. */
  send(event, data) {
    this.trigger(event, data);
  }

  /** Asks for the same picture with another weight of a word. */
  weigh(chip, weight) {
    const { picture } = this;
    if (picture.state !== "done") return;
    this.before = picture;
    this.send("weigh", { span: chip.span, weight, settings: picture.settings, model: picture.model });
  }

  tabs() {
    const tabs = [...this.element.querySelectorAll("[role=tab]")];
    for (const tab of tabs) {
      tab.addEventListener("click", () => this.show(tab.id.slice(4)));
      tab.addEventListener("keydown", (event) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!by) return;
        const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length];
        next.focus();
        next.click();
      });
    }
  }

  show(name) {
    for (const tab of this.element.querySelectorAll("[role=tab]")) {
      const is = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", is);
      tab.tabIndex = is ? 0 : -1;
      $(this.element, `#${tab.getAttribute("aria-controls")}`).hidden = !is;
    }
    if (name === "attention" && this.picture) this.attention.render(this.picture, this.maps());
    if (name === "compare") this.compare.render();
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
