// A PNG that is dropped on the page brings back its settings.

const MAX_BYTES = 16 * 2 ** 20;
const BUILDING_MS = 300;

export function listenForDrops(viewer) {
  const page = document.querySelector("#main");
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const isForField = (event) => event.target.closest?.(".image-field");
  document.addEventListener("dragover", (event) => {
    if (!carriesFile(event) || isForField(event)) return;
    event.preventDefault();
    page.dataset.dropping = "true";
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) page.dataset.dropping = "false";
  });
  document.addEventListener("drop", (event) => {
    page.dataset.dropping = "false";
    if (!carriesFile(event) || isForField(event)) return;
    event.preventDefault();
    restore(viewer, event.dataTransfer.files[0]);
  });
}

/** Builds the parts of the form that have never been open: until then they lose the values that they are sent. */
export async function buildClosedParts() {
  const desk = document.querySelector("#desk");
  const closed = [...desk.querySelectorAll(".accordion button.label-wrap:not(.open)")].filter(
    (part) => !part.dataset.built,
  );
  if (!closed.length) return;
  desk.dataset.building = "true";
  for (const part of closed) part.click();
  await new Promise((done) => setTimeout(done, BUILDING_MS));
  for (const part of closed) {
    part.dataset.built = "true";
    part.click();
  }
  desk.dataset.building = "false";
}

export async function restore(viewer, file) {
  if (!file) return;
  if (file.size > MAX_BYTES) {
    viewer.say(`${file.name} has ${Math.ceil(file.size / 2 ** 20)} MiB; at most 16 are read`, "error");
    return;
  }
  await buildClosedParts();
  const reader = new FileReader();
  reader.onload = () =>
    viewer.send("restore", { name: file.name, data: String(reader.result).split(",")[1] ?? "" });
  reader.readAsDataURL(file);
}
