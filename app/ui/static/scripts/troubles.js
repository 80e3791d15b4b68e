// What gradio would say in a box of its own, said in our words where all else is said.

const LOST =
  "The server does not answer. When it is there again, press Draw; your pictures are in the history.";
const BUSY = "Too much is asked for here at the moment; try again in a minute.";
const BROKEN = "That did not work; try it again, or load the page again.";

/** Listens for gradio's boxes, which the styles hide. */
export function listenForTroubles(viewer) {
  const look = (records) => {
    for (const { addedNodes } of records)
      for (const node of addedNodes) {
        const text = node.querySelector?.("[data-testid=toast-text]")?.textContent;
        if (text !== undefined) viewer.take({ error: inOurWords(text) });
      }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
}

function inOurWords(text) {
  if (/connect|network|fetch|lost/i.test(text)) return LOST;
  if (/busy|too many|queue/i.test(text)) return BUSY;
  // What the guard in front of gradio refuses says a number, or what to do.
  return /;|log in/.test(text) ? text : BROKEN;
}
