// Two pictures, one over the other, with a slider between them.

export class Compare {
  constructor(element) {
    this.element = element;
    this.sides = [null, null];
    this.next = 0;
  }

  get isShown() {
    return !this.element.hidden;
  }

  set(left, right) {
    this.sides = [left, right];
    if (this.isShown) this.render();
  }

  /** Puts a picture on the side whose turn it is. */
  put(picture) {
    this.sides[this.next] = picture;
    this.next = 1 - this.next;
    this.render();
  }

  render() {
    const [left, right] = this.sides;
    const hint = document.createElement("p");
    hint.className = "hint";
    hint.textContent =
      "Choose two pictures of the history, one after the other. Drag a word under a picture to compare it with another weight.";
    if (!left || !right) {
      this.element.replaceChildren(hint, ...[left, right].filter(Boolean).map((each) => figure(each)));
      return;
    }
    const frame = document.createElement("div");
    frame.className = "compare-frame";
    frame.style.aspectRatio = `${left.settings.width} / ${left.settings.height}`;
    const [under, over] = [right, left].map((picture, i) => {
      const image = new Image();
      image.src = picture.image;
      image.alt = `${i ? "Left" : "Right"}: ${picture.prompt}`;
      return image;
    });
    over.className = "over";
    const line = document.createElement("i");
    const slider = document.createElement("input");
    slider.type = "range";
    slider.min = 0;
    slider.max = 100;
    slider.value = 50;
    slider.setAttribute("aria-label", "How much of the left picture is shown");
    slider.addEventListener("input", () => frame.style.setProperty("--cut", `${slider.value}%`));
    frame.append(under, over, line, slider);
    const captions = document.createElement("div");
    captions.className = "compare-captions";
    captions.append(caption(left, right), caption(right, left));
    this.element.replaceChildren(frame, captions, hint);
  }
}

function figure(picture) {
  const image = new Image();
  image.src = picture.image;
  image.alt = picture.prompt;
  image.className = "compare-single";
  return image;
}

/** What a picture was made with, what differs from the other first. */
function caption(picture, other) {
  const box = document.createElement("div");
  const prompt = document.createElement("p");
  prompt.textContent = picture.prompt;
  const differences = document.createElement("p");
  const names = Object.keys(picture.settings).filter(
    (name) =>
      name !== "prompt" && JSON.stringify(picture.settings[name]) !== JSON.stringify(other.settings[name]),
  );
  const about = names.map((name) => `${name.replaceAll("_", " ")} ${picture.settings[name]}`);
  differences.textContent = [...about, ...backends(picture, other)].join(" · ") || `seed ${picture.seed}`;
  box.append(prompt, differences);
  return box;
}

function backends(picture, other) {
  const [mine, theirs] = [picture, other].map((each) => JSON.stringify(each.attention));
  return mine === theirs
    ? []
    : Object.entries(picture.attention).map(([kind, names]) => `${kind} ${names.join(", ")}`);
}
