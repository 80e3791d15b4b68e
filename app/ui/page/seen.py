"""The component through which answers about a picture reach `scripts/see`."""

import gradio as gr

_LOAD = """
watch("value", () => {
  const detail = JSON.parse(JSON.stringify(props.value ?? null));
  if (detail) document.dispatchEvent(new CustomEvent("seen-value", { detail }));
});
"""


def make_seen() -> gr.HTML:
    """Its value is a message of `actions.seeing`, with the "kind" and the "key" of what was asked; hidden."""
    return gr.HTML(
        html_template='<span class="seen-value"></span>',
        js_on_load=_LOAD,
        apply_default_css=False,
        elem_classes="seen-box",
    )
