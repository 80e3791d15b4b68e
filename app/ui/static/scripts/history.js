// Pictures of this browser, in IndexedDB: the server keeps none of them.

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
    element.querySelector(".clear-history").addEventListener("click", () => this.clear());
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
    this.entries = [entry, ...this.entries.filter((each) => each.id !== entry.id)];
    for (const old of this.entries.splice(MOST)) await done(this.store("readwrite").delete(old.id));
    this.render();
  }

  async clear() {
    await done(this.store("readwrite").clear());
    this.entries = [];
    this.render();
  }

  render() {
    this.element.hidden = !this.entries.length;
    this.element
      .querySelector(".history-list")
      .replaceChildren(...this.entries.map((entry) => this.item(entry)));
  }

  item({ picture }) {
    const item = document.createElement("div");
    item.setAttribute("role", "listitem");
    const button = document.createElement("button");
    button.type = "button";
    button.title = picture.prompt;
    button.setAttribute("aria-label", `${picture.prompt || "no prompt"}, seed ${picture.seed}`);
    button.style.backgroundImage = `url("${picture.image}")`;
    button.addEventListener("click", () => {
      if (this.viewer.compare.isShown) this.viewer.compare.put(picture);
      else this.viewer.recall(picture);
    });
    item.append(button);
    return item;
  }
}
