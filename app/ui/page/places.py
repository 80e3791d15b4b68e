"""The component that holds the places of words; `scripts/places` lets people paint them."""

import gradio as gr

_LOAD = """
let mine = "null"; // the value that was painted here, which needs no event
const say = () => {
  const value = JSON.stringify(props.value ?? null);
  if (value !== mine) document.dispatchEvent(new CustomEvent("places-value", { detail: JSON.parse(value) }));
  mine = value;
};
document.addEventListener("places-set", (event) => {
  mine = JSON.stringify(event.detail);
  props.value = event.detail;
});
watch("value", say);
say();
"""


def make_places() -> gr.HTML:
    """Its value is {"paint", "regions", "heads"}, lists of items as a record has them, or None; hidden."""
    return gr.HTML(
        html_template='<span class="places-value"></span>',
        js_on_load=_LOAD,
        apply_default_css=False,
        elem_id="places",
    )
