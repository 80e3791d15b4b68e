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

// A closed part of the page is built when it is first opened, and until then loses the values that it is sent.
async function buildClosedParts() {
  const closed = [...document.querySelectorAll(".accordion button.label-wrap:not(.open)")];
  for (const part of closed) part.click();
  await new Promise((done) => setTimeout(done, BUILDING_MS));
  for (const part of closed) part.click();
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
