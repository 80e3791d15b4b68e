// Picture, words and film alone, as large as the screen.

export class Projector {
  constructor(element) {
    this.stage = element.querySelector(".stage");
    this.button = element.querySelector(".project");
    this.button.addEventListener("click", () => (this.isOn ? this.leave() : this.enter()));
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement) this.mark(false);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOn) this.leave();
    });
  }

  get isOn() {
    return this.stage.classList.contains("projector");
  }

  enter() {
    this.mark(true);
    // Where the browser gives no full screen (a phone), the picture fills the window.
    document.documentElement.requestFullscreen?.().catch(() => null);
  }

  leave() {
    this.mark(false);
    if (document.fullscreenElement) document.exitFullscreen();
  }

  mark(is) {
    this.stage.classList.toggle("projector", is);
    this.button.setAttribute("aria-pressed", is);
    this.button.textContent = is ? "Leave full screen" : "Full screen";
  }
}
