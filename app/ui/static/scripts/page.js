// The page around the viewer: dark or light, and the way a PNG is opened.

const KEY = "limelight-mode";

function apply(mode) {
  document.body.classList.toggle("dark", mode === "dark");
  document.documentElement.style.colorScheme = mode;
}

function wanted() {
  return localStorage.getItem(KEY) ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

document.addEventListener("click", async (event) => {
  if (event.target.closest("#mode")) {
    const mode = document.body.classList.contains("dark") ? "light" : "dark";
    localStorage.setItem(KEY, mode);
    apply(mode);
  }
  const known = event.target.closest(".known-word");
  if (known) addWord(known.textContent);
  if (event.target.closest("#open")) document.querySelector("#open-file").click();
});

/** Adds a word that the model knows to the end of the prompt. */
function addWord(word) {
  const field = document.querySelector("#prompt textarea");
  field.value = `${field.value.trimEnd()} ${word}`.trimStart();
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

document.addEventListener("change", async (event) => {
  if (event.target.id !== "open-file") return;
  const { restore } = await import("./drop.js");
  await restore(window.limelight, event.target.files[0]);
  event.target.value = "";
});

apply(wanted());
