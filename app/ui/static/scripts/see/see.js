// What a describer says of the picture, and its answers to questions. Their words light up their parts of it.

import { agreements } from "./agreement.js";
import { sentence } from "./sentence.js";
import { Ticks } from "./ticks.js";

const KEPT = 60; // pictures of which it is remembered what was said

const PARTS = `
  <div aria-live="polite"><div class="seen-text caption"></div></div>
  <p class="seen-note" role="status" hidden></p>
  <form class="asking" autocomplete="off" hidden>
    <label>Ask about the picture
      <input type="text" maxlength="300" placeholder="how many stars are there?" autocapitalize="off" spellcheck="false" /></label>
    <button type="submit" class="button">Ask</button>
  </form>
  <div aria-live="polite"><div class="seen-text answer"></div></div>`;

const $ = (root, selector) => root.querySelector(selector);

export class See {
  constructor(element, viewer) {
    this.viewer = viewer;
    this.button = $(element, ".see");
    this.box = $(element, ".seen");
    this.box.innerHTML = PARTS;
    this.said = new Map(); // id of a picture -> {described, answered}: the messages about it
    this.asked = 0;
    this.ticks = new Ticks(element, viewer);
    document.addEventListener("seen-value", ({ detail }) => this.take(detail));
    element.addEventListener("painted", () => this.mark());
    $(this.box, "form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask($(this.box, "input").value.trim());
    });
    this.show(viewer.picture);
  }

  /** Shows what has been said of a picture. */
  show(picture) {
    if (this.shown !== picture?.id) {
      this.shown = picture?.id;
      this.waiting = false;
      this.render();
    }
    this.ticks.show(picture);
  }

  describe() {
    const { viewer } = this;
    if (viewer.picture?.state !== "done") return;
    const words = this.words().map(({ text }) => text);
    this.send("describe", { words });
  }

  ask(question) {
    if (question) this.send("ask", { question });
    else $(this.box, "input").focus();
  }

  send(event, data) {
    const { id, image } = this.viewer.picture;
    this.waiting = true;
    this.asked += 1;
    this.viewer.send(event, { ...data, image, key: { id, asked: this.asked } });
    this.busy();
  }

  /** Takes an answer of the server. */
  take(message) {
    if (message.kind === "check") {
      this.ticks.take(message);
      return;
    }
    const { id, asked } = message.key;
    if (asked !== this.asked) return; // another was asked since
    const about = this.said.get(id) ?? {};
    about[message.kind === "ask" ? "answered" : "described"] = message;
    this.said.delete(id);
    this.said.set(id, about);
    if (this.said.size > KEPT) this.said.delete(this.said.keys().next().value);
    if (id !== this.shown) return;
    this.waiting = false;
    this.render(message.kind);
  }

  /** Gives up what was asked: the server could not be reached, or refused. */
  failed() {
    this.waiting = false;
    this.busy();
    this.ticks.failed();
  }

  busy() {
    this.button.textContent = this.waiting ? "Looking…" : "What do you see?";
  }

  /** Words of the prompt that have maps: {text, chip}. */
  words() {
    const chips = this.viewer.maps()?.views.get("attention")?.chips ?? [];
    return chips.map(({ text, part }, chip) => ({ text, part, chip })).filter(({ part }) => part === "word");
  }

  /** Writes everything, or the answer alone, so that a focus on the caption stays. */
  render(kind = "describe") {
    const { described, answered } = this.said.get(this.shown) ?? {};
    this.busy();
    if (kind === "describe") {
      this.caption(described);
      const { lens } = this.viewer;
      if (lens.glow || lens.pinned) {
        lens.glow = lens.pinned = null;
        lens.paint();
      }
    }
    this.answer(answered);
    this.mark();
  }

  caption(described) {
    const box = $(this.box, ".caption");
    const isSeen = described && !described.error && described.words.length > 0;
    $(this.box, "form").hidden = !isSeen;
    const agreed = isSeen ? agreements(this.viewer.maps(), this.words(), described) : new Map();
    if (isSeen)
      box.replaceChildren(this.sentence("What the describer sees", described, described.words, agreed));
    else if (!described) box.replaceChildren();
    else
      box.replaceChildren(
        paragraph(
          described.error || `${named(described.text)} (score ${described.known.toFixed(2)} of 1).`,
          described.error ? "seen-error" : "seen-doubt",
        ),
      );
  }

  answer(answered) {
    const box = $(this.box, ".answer");
    box.replaceChildren();
    if (!answered) return;
    if (answered.error) {
      box.append(paragraph(answered.error, "seen-error"), ...this.examples(answered.examples ?? []));
      return;
    }
    box.append(
      this.sentence("The question", { text: answered.question }, answered.asked),
      this.sentence("The answer", answered, answered.words),
    );
  }

  /** Buttons that ask questions which can be read. */
  examples(all) {
    if (!all.length) return [];
    const box = document.createElement("div");
    box.className = "buttons";
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Questions that can be read");
    for (const text of all) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.textContent = text;
      button.addEventListener("click", () => {
        $(this.box, "input").value = text;
        this.ask(text);
      });
      box.append(button);
    }
    return [box];
  }

  sentence(name, { text }, words, agreed = new Map()) {
    const { lens } = this.viewer;
    return sentence(name, text, words, agreed, {
      point: (glow) => {
        lens.glow = glow;
        lens.paint();
      },
      pin: (glow) => {
        lens.pinned = lens.pinned === glow ? null : glow;
        lens.selected.clear();
        this.viewer.chips.mark();
        lens.paint();
      },
    });
  }

  /** Marks the word that was clicked, and says what is known of the one that is lit. */
  mark() {
    const { glow, pinned } = this.viewer.lens;
    const words = [...this.box.querySelectorAll(".seen-word")];
    for (const button of words) button.setAttribute("aria-pressed", button.glow === pinned);
    const note = $(this.box, ".seen-note");
    note.hidden = !words.length;
    const lit = glow ?? pinned;
    const says = lit ? lit.note : "Point at a word, or click it: its part of the picture lights up.";
    if (note.textContent !== says) note.textContent = says;
  }
}

function paragraph(text, name) {
  const line = document.createElement("p");
  line.className = name;
  line.textContent = text;
  return line;
}

const named = (text) => `This picture is ${text}`;
