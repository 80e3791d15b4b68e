"""The page of `limelight ui`: its layout, and the handlers of its events."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions import handlers, seeing
from limelight.app.ui.actions.api import add_endpoints
from limelight.app.ui.actions.handlers import Change
from limelight.app.ui.actions.unbroken import answer, changed, messages
from limelight.app.ui.form.settings import NAMES, Settings, shown
from limelight.app.ui.page.backends import backend_choices, refusals_html
from limelight.app.ui.page.controls import Controls
from limelight.app.ui.page.known import known_html
from limelight.app.ui.page.seen import make_seen
from limelight.app.ui.page.status import make_notice
from limelight.app.ui.page.viewer import STATIC, make_viewer
from limelight.app.ui.studio.studio import Studio

EXAMPLES = (
    "a red apple on a blue background",
    "a green frog on a yellow background",
    "three yellow stars on a purple background",
    "a purple octopus",
    "a cute panda on a teal background",
)


@dataclass(frozen=True, slots=True)
class Page:
    """The components that trigger events or receive their results."""

    viewer: gr.HTML
    notice: gr.HTML
    controls: Controls
    draw: gr.Button
    stop: gr.Button
    expand: gr.Button


def build_page(studio: Studio) -> gr.Blocks:
    """The page of a studio; its events are handled in `actions.handlers`."""
    with gr.Blocks(title="Limelight", fill_width=True, analytics_enabled=False) as blocks:
        gr.HTML((STATIC / "header.html").read_text(encoding="utf-8"), apply_default_css=False)
        with gr.Row(elem_id="main"):
            with gr.Column(elem_id="desk", scale=0, min_width=300):
                page = _desk(studio)
            with gr.Column(elem_id="stage-column"):
                page.viewer.render()
        _wire(blocks, page, studio)
        _wire_seeing(page, studio)
        add_endpoints(studio)
    return blocks


def _desk(studio: Studio) -> Page:
    prompt = gr.Textbox(
        EXAMPLES[0], label="Prompt", lines=3, max_lines=8, elem_id="prompt", placeholder="What to draw"
    )
    with gr.Row():
        draw = gr.Button("Draw", variant="primary", elem_id="draw")
        stop = gr.Button("Stop", variant="secondary", elem_id="stop")
        expand = gr.Button("Add words", variant="secondary", elem_id="expand")
    notice = make_notice()
    with gr.Row(elem_id="examples"):
        for example in EXAMPLES[1:]:
            gr.Button(example, size="sm").click(
                None, None, prompt, js=f"() => {example!r}", api_visibility="private"
            )
    gr.HTML(known_html(studio), apply_default_css=False)
    controls = Controls.build(studio, prompt, backend_choices(studio))
    gr.HTML(refusals_html(studio), apply_default_css=False)
    return Page(make_viewer(), notice, controls, draw, stop, expand)


def _wire(blocks: gr.Blocks, page: Page, studio: Studio) -> None:
    inputs = page.controls.inputs

    def settings_of(values: tuple[Any, ...]) -> Settings:
        return Settings(**dict(zip(NAMES, values, strict=True)))

    async def draw(request: gr.Request, *values: Any) -> AsyncIterator[dict[str, Any]]:
        async for message in messages(handlers.draw(studio, Visitor.of(request), settings_of(values))):
            yield message

    async def again(event: gr.EventData, request: gr.Request, start: Any) -> AsyncIterator[dict[str, Any]]:
        async for message in messages(handlers.again(studio, Visitor.of(request), event._data, start)):
            yield message

    def expand(request: gr.Request, *values: Any) -> list[Any]:
        return _updates(lambda: handlers.expand(studio, Visitor.of(request), settings_of(values)))

    def stop(request: gr.Request) -> None:
        studio.stop(Visitor.of(request))

    def restore(event: gr.EventData) -> list[Any]:
        return _updates(lambda: handlers.restore(event._data, studio))

    def recall(event: gr.EventData) -> list[Any]:
        return _updates(lambda: handlers.recall(event._data, studio))

    def fit(event: gr.EventData, model: Any) -> list[Any]:
        return _updates(lambda: handlers.fit(event._data, studio, model))

    def choose(model: Any) -> list[Any]:
        return _updates(lambda: handlers.choose(studio, model))

    def leave(request: gr.Request) -> None:
        studio.leave(Visitor.of(request))

    # Without gradio's preprocessing: `form` checks the values and gives better messages.
    both: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "preprocess": False}
    live, quick = both | {"concurrency_limit": None}, both | {"queue": False}
    gr.on([page.draw.click, page.controls.prompt.submit], draw, inputs, page.viewer, **live)
    page.expand.click(expand, inputs, [page.notice, *inputs], **live)
    page.viewer.again(again, page.controls.start, page.viewer, **live)
    page.stop.click(stop, None, None, **quick)
    page.viewer.stop(stop, None, None, **quick)
    page.viewer.restore(restore, None, [page.notice, *inputs], **quick)
    page.viewer.recall(recall, None, [page.notice, *inputs], **quick)
    page.controls.start.fit(fit, page.controls.model, [page.notice, *inputs], **quick)
    page.controls.model.input(choose, page.controls.model, [page.notice, *inputs], **quick)
    blocks.unload(leave)


def _wire_seeing(page: Page, studio: Studio) -> None:
    """Handles events about a picture: every answer has the "kind" and the "key" of its question."""

    async def describe(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        asked = _asked(event)
        act = seeing.describe(studio, Visitor.of(request), asked.get("image"), asked.get("words"))
        return {"kind": "describe", "key": asked.get("key")} | await answer(act)

    async def ask(event: gr.EventData, request: gr.Request) -> dict[str, Any]:
        asked = _asked(event)
        act = seeing.ask(studio, Visitor.of(request), asked.get("image"), asked.get("question"))
        return {"kind": "ask", "key": asked.get("key")} | await answer(act)

    async def check(event: gr.EventData, request: gr.Request) -> AsyncIterator[dict[str, Any]]:
        asked = _asked(event)
        async for message in messages(seeing.check(studio, Visitor.of(request), asked)):
            yield {"kind": "check", "key": asked.get("key")} | message

    # Several may be under way; answers that come at once must not replace each other.
    options: dict[str, Any] = {
        "show_progress": "hidden",
        "api_visibility": "private",
        "concurrency_limit": None,
        "trigger_mode": "multiple",
    }
    described, checked = make_seen(), make_seen()
    page.viewer.describe(describe, None, described, api_name="page_describe", **options)
    page.viewer.ask(ask, None, described, api_name="page_ask", **options)
    page.viewer.check(check, None, checked, api_name="page_check", **options)


def _asked(event: gr.EventData) -> Mapping[str, Any]:
    return event._data if isinstance(event._data, Mapping) else {}


def _updates(act: Callable[[], Change]) -> list[Any]:
    """The message of an action, and then an update for each control."""
    change = changed(act)
    updates = [
        gr.update(value=shown(change.settings[name])) if name in change.settings else gr.skip()
        for name in NAMES
    ]
    return [{"text": change.text, "kind": change.kind}, *updates]
