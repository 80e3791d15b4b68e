"""The component for an image to start from and the mask that is painted over it."""

import gradio as gr

from limelight.app.ui.page.viewer import STATIC

_LOAD = """
// A module of the folder `static`. It triggers "fit".
import(new URL("limelight/scripts/painter.js", document.baseURI))
    .then((painter) => painter.mount(element, {trigger, props}));
"""


def make_painter() -> gr.HTML:
    """Its value is {"image", "mask"}, data URLs of one size, the mask white where it was painted; or None."""
    return gr.HTML(
        html_template=(STATIC / "painter.html").read_text(encoding="utf-8"),
        js_on_load=_LOAD,
        apply_default_css=False,
        elem_id="painter",
    )
