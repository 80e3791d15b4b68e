// The tabs over the picture. The second and third are loaded when they are first opened.

const $ = (root, selector) => root.querySelector(selector);

export class Tabs {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.tabs = [...element.querySelectorAll("[role=tab]")];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.show(tab.id.slice(4)));
      tab.addEventListener("keydown", (event) => this.move(tab, event.key));
    }
  }

  isShown(name) {
    return !$(this.element, `#pane-${name}`).hidden;
  }

  move(tab, key) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (!by) return;
    const next = this.tabs[(this.tabs.indexOf(tab) + by + this.tabs.length) % this.tabs.length];
    next.focus();
    next.click();
  }

  show(name) {
    for (const tab of this.tabs) {
      const is = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", is);
      tab.tabIndex = is ? 0 : -1;
      $(this.element, `#${tab.getAttribute("aria-controls")}`).hidden = !is;
    }
    this.refresh();
  }

  /** Renders the open tab again. */
  async refresh() {
    const { viewer } = this;
    if (this.isShown("attention") && viewer.picture) {
      const { Attention } = await import("./attention.js");
      this.attention ??= new Attention($(this.element, "#pane-attention"), viewer);
      if (viewer.picture) this.attention.render(viewer.picture, viewer.maps());
    }
    if (this.isShown("compare")) (await this.compare()).render();
  }

  async compare() {
    const { Compare } = await import("./compare.js");
    this.pair ??= new Compare($(this.element, "#pane-compare"), this.viewer);
    return this.pair;
  }

  /** Compares two pictures; `undo` as in `Compare.set`. */
  async between(left, right, undo) {
    const compare = await this.compare();
    compare.set(left, right, undo);
    this.show("compare");
  }

  /** Puts a picture on the side whose turn it is. */
  async put(picture) {
    (await this.compare()).put(picture);
  }
}
