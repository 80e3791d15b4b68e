// A link that brings back prompt, seed, steps, the lit word and an edit. They are in its fragment, which browsers
// keep.

const LONGEST = 40_000; // characters of a fragment that is read: two prompts of 2,000, each up to 9 in a link

/** The address of the page with a picture's settings in its fragment. */
export function linkOf(picture, word) {
  const { settings } = picture;
  const url = new URL(document.baseURI);
  const about = { prompt: picture.prompt, seed: picture.seed, steps: settings.num_steps };
  const edit = Object.entries(editIn(settings)).filter(([, text]) => text);
  url.hash = new URLSearchParams([...Object.entries(word ? { ...about, word } : about), ...edit]).toString();
  return url;
}

/** The settings of an edit as text, as their fields take them; empty where a picture is no edit. */
export function editIn(settings) {
  const { edit_of, keep, blend, blend_words, scale_words } = settings;
  const list = (values, between) => (edit_of ? (values ?? []).join(between) : "");
  return {
    edit_of: edit_of ?? "",
    keep: list(keep, ","),
    blend_words: list(blend_words, "|"),
    blend: list(blend, ","),
    scale_words: (scale_words ?? []).map(({ word, scale }) => `${word}=${scale}`).join("|"),
  };
}

/** The settings and the word in the address of the page: {settings, word}; null if it has none. */
export function linked() {
  const hash = location.hash.slice(1, LONGEST);
  const asked = new URLSearchParams(hash);
  const prompt = asked.get("prompt");
  if (prompt === null) return null;
  const settings = { prompt };
  for (const name of Object.keys(editIn({}))) settings[name] = asked.get(name) ?? "";
  if (/^\d{1,20}$/.test(asked.get("seed") ?? "")) settings.seed = asked.get("seed");
  if (/^\d{1,4}$/.test(asked.get("steps") ?? "")) settings.num_steps = Number(asked.get("steps"));
  return { settings, word: asked.get("word") ?? "" };
}
