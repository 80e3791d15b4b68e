// Shows gradio's errors in the page's status line, in plain words; the styles hide gradio's own boxes.

const LOST =
  "The server does not answer. When it is there again, press Draw; your pictures are in the history.";
const BUSY = "The server is busy; try again in a minute.";
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
  // Refusals of the guard in front of gradio state a remedy after a semicolon.
  return /;|log in/.test(text) ? text : BROKEN;
}
