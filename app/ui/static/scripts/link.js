// A link that brings back prompt, seed, steps and the lit word. They are in its fragment, which browsers keep.

const LONGEST = 4000; // characters of a fragment that is read

/** The address of the page with a picture's settings in its fragment. */
export function linkOf(picture, word) {
  const { settings } = picture;
  const url = new URL(document.baseURI);
  const about = { prompt: picture.prompt, seed: picture.seed, steps: settings.num_steps };
  url.hash = new URLSearchParams(word ? { ...about, word } : about).toString();
  return url;
}

/** The settings and the word in the address of the page: {settings, word}; null if it has none. */
export function linked() {
  const hash = location.hash.slice(1, LONGEST);
  const asked = new URLSearchParams(hash);
  const prompt = asked.get("prompt");
  if (prompt === null) return null;
  const settings = { prompt };
  if (/^\d{1,20}$/.test(asked.get("seed") ?? "")) settings.seed = asked.get("seed");
  if (/^\d{1,4}$/.test(asked.get("steps") ?? "")) settings.num_steps = Number(asked.get("steps"));
  return { settings, word: asked.get("word") ?? "" };
}
