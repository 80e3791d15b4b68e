"""A line that says what happened to the controls; as text, whatever it holds."""

from typing import Any

import gradio as gr

_LOAD = """
const show = () => {
  const box = element.querySelector(".notice");
  box.textContent = props.value?.text ?? "";
  box.dataset.kind = props.value?.kind ?? "";
};
watch("value", show);
show();
"""

class Notice(gr.HTML):
    """Its value is {"text", "kind"}; the kind is "" or "error"."""

    def __init__(self, value: dict[str, str] | None = None, **options: Any) -> None:
        super().__init__(
            value,
            html_template='<div class="notice" role="status" aria-live="polite"></div>',
            js_on_load=_LOAD,
            apply_default_css=False,
            **options,
        )

    def postprocess(self, value: dict[str, str] | None) -> dict[str, str] | None:
        return value

    def preprocess(self, payload: Any) -> None:
        """Only ever written."""
    from collections.abc import Callable, Sequence
    from typing import TYPE_CHECKING, Any, Literal

    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component
