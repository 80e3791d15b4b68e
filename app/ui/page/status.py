"""The line of text that reports changes of the controls. It is never read as HTML."""

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


def make_notice() -> gr.HTML:
    """Its value is {"text", "kind"}; the kind is "" or "error"."""
    return gr.HTML(
        html_template='<div class="notice" role="status" aria-live="polite"></div>',
        js_on_load=_LOAD,
        apply_default_css=False,
    )
