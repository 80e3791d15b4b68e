// One place in the list: its colour, its word or prompt, its box in numbers.

const SIDES = ["left", "top", "right", "bottom"];

export function row({ kind, item }, i, places) {
  const line = document.createElement("li");
  line.style.setProperty("--colour", places.colour(i));
  const name = kind === "paint" ? item.word : item.prompt;
  const dot = document.createElement("i");
  dot.setAttribute("aria-hidden", "true");
  line.append(dot, kind === "paint" ? label(item.word) : prompt(item, i, places));
  if (item.box) line.append(...SIDES.map((side, k) => number(item, name, side, k, i, places)));
  else line.append(label(item.mask ? "painted" : `where “${item.word}” is`));
  if (kind === "paint") line.append(firm(item, name, i, places));
  const move = button("Draw", `Draw the place of ${name || "the region"} on the picture`, () =>
    places.aim(i),
  );
  const bin = button("×", `Remove the place of ${name || "the region"}`, () => places.remove(i));
  line.append(move, bin);
  return line;
}

function label(text) {
  const name = document.createElement("b");
  name.textContent = text;
  return name;
}

function prompt(item, i, places) {
  const field = document.createElement("input");
  field.className = "place-prompt";
  field.value = item.prompt;
  field.placeholder = "what the region shows";
  field.dataset.key = `${i}-prompt`;
  field.setAttribute("aria-label", "Prompt of the region");
  field.addEventListener("change", () => places.change(i, { ...item, prompt: field.value }));
  return field;
}

function number(item, name, side, k, i, places) {
  const field = document.createElement("input");
  Object.assign(field, { type: "number", min: 0, max: 100, step: 1, value: Math.round(100 * item.box[k]) });
  field.dataset.key = `${i}-${side}`;
  field.setAttribute("aria-label", `${side} of ${name || "the region"}, in percent`);
  field.addEventListener("change", () => {
    const box = [...item.box];
    box[k] = Math.min(100, Math.max(0, Number(field.value))) / 100;
    if (box[0] < box[2] && box[1] < box[3]) places.change(i, { ...item, box });
    else field.value = Math.round(100 * item.box[k]); // else the box would be empty
  });
  const whole = document.createElement("label");
  whole.className = "side";
  whole.append(`${side} %`, field);
  return whole;
}

/** Whether the picture is led until the word is there: surer, and about twice as slow. */
function firm(item, name, i, places) {
  const field = document.createElement("input");
  field.type = "checkbox";
  field.checked = (item.hand ?? "loose") !== "loose";
  field.dataset.key = `${i}-firm`;
  field.setAttribute("aria-label", `Hold ${name} firmly`);
  field.addEventListener("change", () =>
    places.change(i, { ...item, hand: field.checked ? "firm" : "loose" }),
  );
  const whole = document.createElement("label");
  whole.className = "firm";
  whole.title = "Leads the picture until the word is there: surer, and about twice as slow";
  whole.append(field, "firmly");
  return whole;
}

function button(text, name, action) {
  const one = document.createElement("button");
  one.type = "button";
  one.className = "button";
  one.textContent = text;
  one.setAttribute("aria-label", name);
  one.addEventListener("click", action);
  return one;
}
