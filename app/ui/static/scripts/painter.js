// An image to start from, and a brush for the part that is drawn again. Nothing leaves the browser before Draw.

const LONGEST = 1024; // pixels: larger images are made smaller here, and travel faster
const COLOUR = "#c3ec45";
const SEEN = 128; // of 255: from there on a pixel is painted, as the server takes it

const $ = (root, selector) => root.querySelector(selector);

export function mount(element, gradio) {
  if (element.dataset.mounted) return;
  element.dataset.mounted = "true";
  const painter = new Painter($(element, ".painter"), gradio);
  const takeOver = async () => {
    const url = window.limelight?.startFrom;
    if (!url) return;
    window.limelight.startFrom = null;
    await painter.take(url);
    element.scrollIntoView({ block: "center" });
  };
  document.addEventListener("start-from", takeOver);
  takeOver();
}

class Painter {
  constructor(element, { trigger, props }) {
    this.element = element;
    this.trigger = trigger;
    this.props = props;
    this.image = $(element, ".painter-image");
    this.mask = $(element, ".painter-mask");
    this.mask.getContext("2d", { willReadFrequently: true });
    this.url = null; // of the image as it is sent
    this.last = null; // where the brush was
    this.buttons();
    this.brush();
    this.drops();
  }

  buttons() {
    const on = (selector, action) => $(this.element, selector).addEventListener("click", action);
    on(".choose", () => $(this.element, ".image-file").click());
    on(".load", () => $(this.element, ".mask-file").click());
    on(".take", () => this.take(window.limelight?.picture?.image));
    on(".clear", () => this.clear());
    on(".remove", () => this.remove());
    on(".paint", () => this.choose(".paint"));
    on(".erase", () => this.choose(".erase"));
    const picked = (selector, action) => {
      const input = $(this.element, selector);
      const take = async () => {
        const [file] = input.files;
        input.value = "";
        if (file) await action(file);
      };
      input.addEventListener("change", take);
      if (input.files.length) take(); // chosen before this script was loaded
    };
    picked(".image-file", (file) => this.open(file));
    picked(".mask-file", (file) => this.openMask(file));
  }

  drops() {
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file) this.open(file);
    });
  }

  choose(tool) {
    for (const each of [".paint", ".erase"])
      $(this.element, each).setAttribute("aria-pressed", each === tool);
  }

  get erases() {
    return $(this.element, ".erase").getAttribute("aria-pressed") === "true";
  }

  /** Takes a picture by its data URL. */
  async take(url) {
    if (!url) {
      this.say("There is no picture yet: draw one, or choose an image.");
      return;
    }
    await this.open(await (await fetch(url)).blob());
  }

  /** Takes an image file. */
  async open(file) {
    const bitmap = await this.read(file);
    if (!bitmap) return;
    const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
    for (const canvas of [this.image, this.mask]) {
      canvas.width = Math.round(bitmap.width * scale);
      canvas.height = Math.round(bitmap.height * scale);
    }
    this.image.getContext("2d").drawImage(bitmap, 0, 0, this.image.width, this.image.height);
    this.url = this.image.toDataURL(file.type === "image/jpeg" ? "image/jpeg" : "image/png", 0.95);
    this.element.dataset.empty = "false";
    this.update();
    this.trigger("fit", { width: this.image.width, height: this.image.height });
  }

  /** Takes an image of a mask: what is light in it counts as painted. */
  async openMask(file) {
    const bitmap = await this.read(file);
    if (!bitmap) return;
    const { width, height } = this.mask;
    const context = this.mask.getContext("2d");
    context.clearRect(0, 0, width, height);
    context.drawImage(bitmap, 0, 0, width, height);
    const pixels = context.getImageData(0, 0, width, height);
    const [red, green, blue] = COLOUR.match(/[0-9a-f]{2}/g).map((part) => Number.parseInt(part, 16));
    for (let i = 0; i < pixels.data.length; i += 4) {
      const [r, g, b, a] = pixels.data.subarray(i, i + 4);
      const is = a >= SEEN && 0.299 * r + 0.587 * g + 0.114 * b >= SEEN;
      pixels.data.set([red, green, blue, is ? 255 : 0], i);
    }
    context.putImageData(pixels, 0, 0);
    this.update();
  }

  async read(file) {
    try {
      return await createImageBitmap(file);
    } catch {
      this.say(`${file.name ?? "That"} is not an image that this browser can read.`, "error");
      return null;
    }
  }

  clear() {
    this.mask.getContext("2d").clearRect(0, 0, this.mask.width, this.mask.height);
    this.update();
  }

  remove() {
    this.url = null;
    this.element.dataset.empty = "true";
    this.update();
  }

  brush() {
    const { mask } = this;
    mask.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      mask.setPointerCapture(event.pointerId);
      this.last = this.at(event);
      this.stroke(this.last);
    });
    mask.addEventListener("pointermove", (event) => {
      if (!this.last) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.stroke(this.at(each));
    });
    const end = () => {
      if (!this.last) return;
      this.last = null;
      this.update();
    };
    mask.addEventListener("pointerup", end);
    mask.addEventListener("pointercancel", end);
  }

  at(event) {
    const box = this.mask.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.mask.width,
      ((event.clientY - box.top) / box.height) * this.mask.height,
    ];
  }

  stroke(to) {
    const context = this.mask.getContext("2d");
    const part = Number($(this.element, ".brush").value) / 100;
    context.globalCompositeOperation = this.erases ? "destination-out" : "source-over";
    context.strokeStyle = COLOUR;
    context.lineCap = "round";
    context.lineWidth = part * Math.min(this.mask.width, this.mask.height);
    context.beginPath();
    context.moveTo(...this.last);
    context.lineTo(...to);
    context.stroke();
    context.globalCompositeOperation = "source-over";
    this.last = to;
  }

  /** Whether anything is painted. */
  get isPainted() {
    const { data } = this.mask.getContext("2d").getImageData(0, 0, this.mask.width, this.mask.height);
    for (let i = 3; i < data.length; i += 4) if (data[i] >= SEEN) return true;
    return false;
  }

  /** The mask, white on black. */
  whole() {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [this.mask.width, this.mask.height];
    const context = canvas.getContext("2d");
    const fill = (colour, how) => {
      context.globalCompositeOperation = how;
      context.fillStyle = colour;
      context.fillRect(0, 0, canvas.width, canvas.height);
    };
    context.drawImage(this.mask, 0, 0);
    fill("#fff", "source-in");
    fill("#000", "destination-over");
    return canvas.toDataURL("image/png");
  }

  /** Sets the component's value, which is sent with the next picture, and the hint below it. */
  update() {
    const painted = this.url && this.isPainted;
    this.props.value = this.url && { image: this.url, mask: painted ? this.whole() : null };
    const whole = "All of it is drawn over. Paint a part to change that part alone.";
    this.say(this.url ? (painted ? "The painted part is drawn again; the rest stays." : whole) : "");
  }

  say(text, kind = "") {
    const hint = $(this.element, ".painter-hint");
    hint.textContent = text;
    hint.dataset.kind = kind;
  }
}
