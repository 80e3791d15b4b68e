"""The controls next to the picture, for every field of a request that a visitor may set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from limelight.app.ui.form.settings import AUTO, DEFAULTS, NAMES, shown
from limelight.app.ui.page.painter import make_painter
from limelight.app.ui.page.places import make_places
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.requests.fields import FIELDS, MAX_CACHE_INTERVAL, RECORD_EXTRAS, offered
from limelight.pipeline.requests.schedulers import OWN, SCHEDULERS, scheduler_label

DETAILS = [
    ("Sites and heads", "head"),
    ("Sites", "site"),
    ("Words alone", "grid"),
    ("Nothing", "off"),
]
LARGER = [("No", 0), *((f"{times:g} times", times) for times in (1.5, 2, 2.5, 3, 3.5, 4))]
ENLARGED = [("No", 0), *((f"{times} times", times) for times in (2, 4))]
STARTS = [("No", 1), ("of 4", 4), ("of 8", 8)]
EXTRAS = [
    ("What words contribute", "values"),
    ("Refined by self-attention", "refined"),
    ("Negative prompt", "negative"),
]
EDIT = ("edit_of", "keep", "blend_words", "blend", "scale_words")
LATER = ("strength", "hires_scale", "hires_strength", "enlarge", *EDIT)  # have controls further down
assert {name for _, name in EXTRAS} <= set(RECORD_EXTRAS)


@dataclass(frozen=True, slots=True)
class Controls:
    """The controls by the name of the setting that they hold."""

    by_name: Mapping[str, Any]

    @property
    def prompt(self) -> gr.Textbox:
        return self.by_name["prompt"]

    @property
    def model(self) -> gr.Dropdown:
        return self.by_name["model"]

    @property
    def start(self) -> gr.HTML:
        return self.by_name["start"]

    @property
    def inputs(self) -> list[Any]:
        """In the order of `NAMES`."""
        return [self.by_name[name] for name in NAMES]

    @classmethod
    def build(cls, studio: Studio, prompt: gr.Textbox, backends: Sequence[tuple[str, str]]) -> "Controls":
        """Adds the controls to the layout that is being built."""
        limits, models = studio.limits, list(studio.pipelines)
        height, width = studio.pipelines[models[0]].model.native_size
        found: dict[str, Any] = {"prompt": prompt, "places": make_places()}
        with gr.Accordion("Picture", open=True, elem_classes="accordion"):
            found["negative_prompt"] = gr.Textbox(
                label=_label("negative_prompt"), lines=1, max_lines=4, placeholder="What it should not show"
            )
            with gr.Row(elem_classes="seed-row"):
                found["seed"] = gr.Textbox(
                    label=_label("seed"), placeholder="a new one each time", max_lines=1, elem_id="seed"
                )
                gr.Button("A new seed each time", elem_id="dice", min_width=44).click(
                    None, None, found["seed"], js="() => ''", api_visibility="private"
                )
                gr.Button("Keep the seed of this picture", elem_id="lock", min_width=44).click(
                    None,
                    None,
                    found["seed"],
                    js="() => window.limelight?.picture?.seed ?? ''",
                    api_visibility="private",
                )
            with gr.Row():
                found["width"] = gr.Number(
                    width, label=_label("width"), step=8, minimum=8, precision=0, min_width=90
                )
                found["height"] = gr.Number(
                    height, label=_label("height"), step=8, minimum=8, precision=0, min_width=90
                )
                found["count"] = gr.Number(
                    1, label="Pictures", minimum=1, step=1, precision=0, min_width=90, elem_id="count"
                )
            found["pick"] = gr.Dropdown(
                STARTS, value=1, label="Find a better start", info=FIELDS["pick"].help, elem_id="pick"
            )
            found["model"] = gr.Dropdown(
                models, value=models[0], label="Model", visible=len(models) > 1, interactive=True
            )
        with gr.Accordion("Steps and guidance", open=False, elem_classes="accordion"):
            found["num_steps"] = gr.Slider(
                1, limits.max_steps, value=25, step=1, label=_label("num_steps"), elem_id="steps"
            )
            found["guidance_scale"] = gr.Textbox(  # gradio turns an empty number field into 0
                label=_label("guidance_scale"), placeholder="the model's own", max_lines=1, elem_id="guidance"
            )
            found["scheduler"] = gr.Dropdown(
                [("The model's own", OWN), *((scheduler_label(name), name) for name in SCHEDULERS)],
                value=OWN,
                label=_label("scheduler"),
            )
            with gr.Row():
                found["clip_skip"] = gr.Number(
                    1,
                    label=_label("clip_skip"),
                    info="1 reads the prompt as the model was trained",
                    minimum=1,
                    step=1,
                    precision=0,
                    min_width=90,
                )
                found["guidance_rescale"] = gr.Number(
                    0,
                    label=_label("guidance_rescale"),
                    info="0 leaves the contrast as it comes",
                    minimum=0,
                    maximum=1,
                    step=0.1,
                    min_width=90,
                )
            found["prompt_syntax"] = gr.Dropdown(
                [("Limelight's", "limelight"), ("AUTOMATIC1111's", "a1111")],
                value="limelight",
                label=_label("prompt_syntax"),
            )
            found["lossy_cache_interval"] = gr.Slider(
                1,
                MAX_CACHE_INTERVAL,
                value=1,
                step=1,
                label=_label("lossy_cache_interval"),
                info=FIELDS["lossy_cache_interval"].help,
                elem_id="lossy-cache",
            )
        with gr.Accordion("Guidance by attention", open=False, elem_classes="accordion"):
            for name, field in offered().items():
                if name not in found and name not in LATER:  # fields without a control of their own
                    found[name] = gr.Textbox(
                        label=field.label, info=field.help, placeholder="none", max_lines=1
                    )
        with gr.Accordion("Edit of a picture", open=False, elem_classes="accordion", elem_id="edit"):
            for name in EDIT:
                usual = shown(DEFAULTS[name]) or "none"
                found[name] = gr.Textbox(
                    label=_label(name), info=FIELDS[name].help, placeholder=usual, max_lines=2
                )
        with gr.Accordion("Start from an image", open=False, elem_classes="accordion", elem_id="start"):
            found["start"] = make_painter()
            found["strength"] = gr.Textbox(
                label="How far to redraw it, 0 to 1", placeholder="0.8, or 1 where it is painted", max_lines=1
            )
        with gr.Accordion("Enlarge", open=False, elem_classes="accordion"):
            found["hires_scale"] = gr.Dropdown(
                LARGER, value=0, label="Draw it larger", info="The picture is enlarged and drawn over"
            )
            found["hires_strength"] = gr.Slider(0, 1, value=0.5, step=0.05, label=_label("hires_strength"))
            found["enlarge"] = gr.Dropdown(
                ENLARGED,
                value=0,
                label="Make it larger when it is done",
                info="Its edges stay sharp; nothing is drawn over",
            )
        with gr.Accordion("Attention and maps", open=False, elem_classes="accordion"):
            with gr.Row():
                found["self_attention"] = gr.Dropdown(
                    list(backends), value=AUTO, label="Self-attention", min_width=120
                )
                found["cross_attention"] = gr.Dropdown(
                    list(backends), value=AUTO, label="Cross-attention", min_width=120
                )
            found["record"] = gr.Dropdown(DETAILS, value="head", label=_label("record"))
            found["record_extras"] = gr.CheckboxGroup(EXTRAS, value=[], label=_label("record_extras"))
        return cls(found)


def _label(name: str) -> str:
    return FIELDS[name].label
