// Pictures of this browser, in IndexedDB: the server keeps none of them.

import { editIn } from "./link.js";

const DATABASE = "limelight";
const STORE = "pictures";
const MOST = 60;

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () =>
      request.result.createObjectStore(STORE, { keyPath: "id" }).createIndex("at", "at");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class History {
  constructor(element, viewer) {
    this.element = element;
    this.viewer = viewer;
    this.entries = [];
    this.gone = []; // the pictures that were deleted last, for undo
    element.querySelector(".clear-history").addEventListener("click", () => this.remove(this.entries));
    element.querySelector(".undo-history").addEventListener("click", () => this.undo());
    this.ready = open().then((database) => {
      this.database = database;
      return this.load();
    });
    this.ready.catch(() => element.remove()); // private windows may have no database
  }

  store(mode) {
    return this.database.transaction(STORE, mode).objectStore(STORE);
  }

  async load() {
    const all = await done(this.store("readonly").index("at").getAll());
    this.entries = all.reverse();
    this.render();
  }

  async add(picture) {
    await this.ready;
    const entry = { id: picture.id, at: Date.now(), picture };
    await done(this.store("readwrite").put(entry));
    this.gone = [];
    this.entries = [entry, ...this.entries.filter((each) => each.id !== entry.id)];
    for (const old of this.entries.splice(MOST)) await done(this.store("readwrite").delete(old.id));
    this.render();
  }

  /** The picture of a link; null where there is none. */
  find({ prompt, seed, num_steps: steps, ...edit }) {
    const isIt = ({ picture }) =>
      picture.prompt === prompt &&
      picture.seed === seed &&
      picture.settings.num_steps === steps &&
      Object.entries(editIn(picture.settings)).every(([name, text]) => edit[name] === text);
    return this.entries.find(isIt)?.picture ?? null;
  }

  /** Deletes entries; `undo` brings them back. */
  async remove(entries) {
    this.gone = [...entries];
    this.entries = this.entries.filter((each) => !this.gone.includes(each));
    const focused = this.element.contains(document.activeElement);
    this.render();
    if (focused) this.element.querySelector(".undo-history").focus();
    const store = this.store("readwrite");
    await Promise.all(this.gone.map(({ id }) => done(store.delete(id))));
  }

  /** Deletes a picture that was made of another, and shows that one. */
  takeBack(picture, before) {
    this.remove(this.entries.filter(({ id }) => id === picture.id));
    this.viewer.show("picture");
    this.viewer.recall(before);
  }

  async undo() {
    const back = this.gone;
    this.gone = [];
    this.entries = [...this.entries, ...back].sort((a, b) => b.at - a.at).slice(0, MOST);
    this.render();
    this.element.querySelector(".history-list button")?.focus();
    const store = this.store("readwrite");
    await Promise.all(back.map((entry) => done(store.put(entry))));
  }

  render() {
    const { gone, entries } = this;
    this.element.hidden = !entries.length && !gone.length;
    const many = gone.length === 1 ? "1 picture is deleted" : `${gone.length} pictures are deleted`;
    this.element.querySelector(".history-note").textContent = gone.length
      ? many
      : "kept in this browser alone";
    this.element.querySelector(".undo-history").hidden = !gone.length;
    this.element.querySelector(".clear-history").hidden = !entries.length;
    this.element.querySelector(".history-list").replaceChildren(...entries.map((entry) => this.item(entry)));
  }

  item(entry) {
    const { picture } = entry;
    const item = document.createElement("div");
    item.setAttribute("role", "listitem");
    const button = document.createElement("button");
    button.type = "button";
    button.title = picture.prompt;
    button.setAttribute("aria-label", `${picture.prompt || "no prompt"}, seed ${picture.seed}`);
    button.style.backgroundImage = `url("${picture.image}")`;
    button.addEventListener("click", () => {
      if (this.viewer.tabs.isShown("compare")) this.viewer.tabs.put(picture);
      else this.show(picture);
    });
    const bin = document.createElement("button");
    bin.type = "button";
    bin.className = "delete";
    bin.textContent = "×";
    bin.setAttribute("aria-label", `Delete: ${picture.prompt || "no prompt"}, seed ${picture.seed}`);
    bin.addEventListener("click", () => this.remove([entry]));
    item.append(button, bin);
    return item;
  }

  /** Shows a picture with its maps, and brings its settings back. */
  show(picture) {
    this.viewer.tour.end();
    this.viewer.show("picture");
    this.viewer.recall(picture);
    this.viewer.bringBack(picture);
  }
}
