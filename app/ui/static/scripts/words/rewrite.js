// The line under the words, in which another word is typed for the one that is lit.

const $ = (root, selector) => root.querySelector(selector);

export class Rewrite {
  constructor(element, viewer) {
    this.form = $(element, ".rewrite");
    this.input = $(this.form, "input[type=text]");
    this.viewer = viewer;
    this.chip = null;
    $(this.form, ".rewrite-keep").addEventListener("change", () => this.switches());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.draw();
    });
  }

  /** Offers to rewrite a word; null hides the line. */
  show(chip) {
    const isSame = JSON.stringify(this.chip) === JSON.stringify(chip);
    this.chip = chip;
    this.form.hidden = !chip;
    if (isSame || !chip) return;
    this.input.value = "";
    $(this.form, ".rewrite-old").textContent = chip.text;
    this.input.setAttribute("aria-label", `Another word for ${chip.text}`);
  }

  /** Begins a word with a key that was pressed on the old one; false where none can be typed. */
  type(key) {
    if (this.form.hidden || !/^[\p{L}\p{N}]$/u.test(key)) return false;
    this.input.value = key;
    this.input.focus();
    return true;
  }

  /** Without the picture there is no rest of it to keep. */
  switches() {
    $(this.form, ".rewrite-only").disabled = !$(this.form, ".rewrite-keep").checked;
  }

  draw() {
    const word = this.input.value.trim();
    if (!word || word === this.chip.text) {
      this.viewer.say(`Type another word for “${this.chip.text}” first.`);
      this.input.focus();
      return;
    }
    const keeps = $(this.form, ".rewrite-keep").checked;
    const only = keeps && $(this.form, ".rewrite-only").checked;
    this.viewer.again({ span: this.chip.span, word, keeps, only });
  }
}
