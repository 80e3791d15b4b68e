"""The component that shows pictures and lights up words; it draws in the browser."""

from pathlib import Path
from typing import Any

import gradio as gr

STATIC = Path(__file__).parent / "static"
# The path is the page's own; what is loaded is a module of the folder `static`.
_LOAD = """
import(new URL("static/viewer.js", document.baseURI))
    .then((viewer) => viewer.mount(element, {trigger, props, watch}));
// Events that it triggers: "weigh", "restore", "recall", "stop".
"""

class Viewer(gr.HTML):
    """Shows what `Frames` tells. Its value is such a message; None shows an empty stage."""

    def __init__(self, value: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(
            value,
            html_template=(STATIC / "viewer.html").read_text(encoding="utf-8"),
            css_template="",
            js_on_load=_LOAD,
            apply_default_css=False,
            **options,
        )

    def postprocess(self, value: dict[str, Any] | None) -> dict[str, Any] | None:
        return value

    def preprocess(self, payload: Any) -> None:
        """Nothing of what the browser holds is taken from there."""

    def api_info(self) -> dict[str, Any]:
        return {"type": "object"}
    from collections.abc import Callable, Sequence
    from typing import TYPE_CHECKING, Any, Literal

    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
