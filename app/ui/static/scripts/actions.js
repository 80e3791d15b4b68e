// The actions on the picture that is shown: save it and its maps, keep its seed, start from it.

import { nounOf } from "./light.js";
import { linkOf } from "./link.js";

const $ = (root, selector) => root.querySelector(selector);
const hasRecord = (url) => url?.startsWith("data:image/png"); // the example's is a WebP, to come sooner

export class Actions {
  constructor(element, viewer) {
    this.card = $(element, ".actions");
    this.element = element;
    this.viewer = viewer;
    const on = (selector, action) => $(this.card, selector).addEventListener("click", action);
    on(".keep-seed", () => viewer.send("recall", { settings: { seed: viewer.picture.seed }, kind: "seed" }));
    on(".use-settings", () => viewer.bringBack(viewer.picture));
    on(".redraw", () => this.redraw());
    on(".save-overlay", () => this.overlay());
    on(".save-sheet", () => this.sheet());
    on(".save-maps", () => this.numbers());
    on(".copy-link", () => this.link());
    for (const button of this.card.querySelectorAll("[data-format]"))
      button.addEventListener("click", () => this.film(button.dataset.format));
  }

  hide() {
    this.card.hidden = true;
  }

  show(picture) {
    this.card.hidden = picture.state !== "done";
    if (this.card.hidden) return;
    const { settings } = picture;
    const [width, height] = picture.size ?? [settings.width, settings.height];
    $(this.card, ".facts").textContent = [
      `${width}×${height}`,
      `${settings.num_steps} steps`,
      `guidance ${settings.guidance_scale}`,
      `seed ${picture.seed}`,
      ...(settings.lossy_cache_interval > 1 ? [`lossy cache ${settings.lossy_cache_interval}`] : []),
    ]
      .map((fact) => fact.replace(" ", "\u00a0"))
      .join(" · ");
    const link = $(this.card, ".save");
    link.href = hasRecord(picture.viewed) ? picture.viewed : picture.image;
    link.download = picture.file_name;
    for (const selector of [".save-overlay", ".save-sheet", ".save-maps", ".save-film"])
      $(this.card, selector).hidden = !picture.maps;
    if (this.shown !== picture.id) this.say("");
    this.shown = picture.id;
  }

  say(text) {
    $(this.card, ".saved").textContent = text;
  }

  /** The name of one of the picture's files. */
  name(what) {
    return `${this.viewer.picture.file_name.replace(/\.png$/, "")}-${what}`;
  }

  async overlay() {
    const { lens } = this.viewer;
    const light = lens.light();
    if (!light) {
      this.say("Nothing is lit: choose a word first.");
      return;
    }
    const { saveOverlay } = await import("./film/sheet.js");
    const word = light.what.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 40);
    await saveOverlay(lens.image, light, lens.colours, this.name(`${word}.png`));
    this.say(`Saved with the light of ${light.what}.`);
  }

  async sheet() {
    const { lens, picture } = this.viewer;
    const { saveSheet } = await import("./film/sheet.js");
    await saveSheet(
      picture,
      lens.image,
      this.viewer.maps(),
      { ...lens.look, ...lens.colours },
      this.name("sheet.png"),
    );
    this.say("Saved a sheet of all words.");
  }

  async numbers() {
    const { saveNumbers } = await import("./film/npz.js");
    saveNumbers(this.viewer.picture, this.viewer.maps(), this.name("maps.npz"));
    this.say("Saved the maps as numbers.");
  }

  async film(format) {
    const { lens, picture } = this.viewer;
    const maps = this.viewer.maps();
    const look = { ...lens.look, ...lens.colours };
    const isAll = $(this.card, ".film-words").value === "turn";
    const lit = lens.selected.size
      ? [...lens.selected]
      : [nounOf(maps.views.get(look.view), picture.unknown)];
    this.say("The film is being made…");
    await lens.film.loaded;
    const { framesOf, makeFilm, NotMade, save, turns } = await import("./film/export.js");
    try {
      const frames = framesOf(lens.film, lens.finished, maps, look, turns(maps, look, lit, isAll));
      const file = await makeFilm(format, frames);
      if (this.viewer.picture !== picture) return;
      save(file, this.name(`film.${format}`));
      this.say(`Saved the film: ${Math.ceil(file.size / 1024)} KiB.`);
    } catch (error) {
      if (!(error instanceof NotMade)) throw error;
      this.say(error.message);
    }
  }

  async link() {
    const { picture, lens } = this.viewer;
    const view = this.viewer.maps()?.views.get(lens.look.view);
    const word = view && lens.selected.size ? view.chips[[...lens.selected][0]].text : "";
    const url = linkOf(picture, word);
    history.replaceState(null, "", url);
    try {
      await navigator.clipboard.writeText(url.href);
      this.say("The link is copied.");
    } catch {
      this.say("The link is in the address bar.");
    }
  }

  redraw() {
    const start = document.querySelector("#start");
    if (!start.querySelector(".painter")?.offsetParent) start.querySelector("button.label-wrap").click();
    this.viewer.startFrom = this.viewer.picture.image; // the painter takes it once it is there
    document.dispatchEvent(new Event("start-from"));
  }
}
