"""The component that shows pictures and lights up words; it draws in the browser."""

from pathlib import Path

import gradio as gr

STATIC = Path(__file__).parents[1] / "static"
_LOAD = """
// A module of the folder `static/scripts`. It triggers "again", "restore", "recall" and "stop".
import(new URL("limelight/scripts/viewer.js", document.baseURI))
    .then((viewer) => viewer.mount(element, {trigger, props, watch}));
"""


def make_viewer() -> gr.HTML:
    """Shows what `Frames` reports: its value is such a message.

    No subclass: gradio writes a stub file next to the source of each.
    """
    return gr.HTML(
        html_template=(STATIC / "viewer.html").read_text(encoding="utf-8"),
        js_on_load=_LOAD,
        apply_default_css=False,
        render=False,
    )
