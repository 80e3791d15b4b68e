// Loads the scripts for places, and for what is seen in a picture, when they are first used.

export function loadLater(element, viewer) {
  const on = (selector, event, action) => {
    for (const each of element.querySelectorAll(selector)) each.addEventListener(event, action);
  };

  const places = async () => {
    const { Places } = await import("./places/places.js");
    viewer.places ??= new Places(element, viewer);
    return viewer.places;
  };
  document.addEventListener("places-value", async ({ detail }) => {
    if (detail || viewer.places) (await places()).take(detail);
  });
  on(".place-word, .place-region", "click", async (event) => {
    const { currentTarget } = event;
    (viewer.places ?? (await places())).begin(currentTarget, event);
  });

  const see = async () => {
    const { See } = await import("./see/see.js");
    viewer.see ??= new See(element, viewer);
    return viewer.see;
  };
  on(".see", "click", async () => (await see()).describe());
  on(".check-words", "change", async () => (await see()).ticks.turn());
}
