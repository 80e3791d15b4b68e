"""The component that shows pictures and the heat maps of words; it draws in the browser."""

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parents[1] / "static"
_LOAD = """
// A module of the folder `static/scripts`. It triggers "again", "restore", "recall", "stop",
// "describe", "ask" and "check".
import(new URL("limelight/scripts/viewer.js", document.baseURI))
    .then((viewer) => viewer.mount(element, {trigger, props, watch}));
"""


def make_viewer() -> gr.HTML:
    """The viewer; its value is a message of `Frames`.

    It is no subclass of gr.HTML: gradio would write a stub file next to the source of one.
    """
    return gr.HTML(
        html_template=(STATIC / "viewer.html").read_text(encoding="utf-8"),
        js_on_load=_LOAD,
        apply_default_css=False,
        render=False,
    )
