"""The API of the page: `/generate` and `/check`, which stream, `/maps`, `/describe` and `/ask`; see
docs/page.md."""

import inspect
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions import handlers, seeing
from limelight.app.ui.actions.unbroken import answer, messages
from limelight.app.ui.form.settings import AUTO, DEFAULTS, Settings, shown
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import IMAGES, offered

STEP_FIELDS = ("id", "state", "position", "index", "count", "seed", "error", "image")


def add_endpoints(studio: Studio) -> None:
    """Adds the endpoints to the Blocks that are being built."""

    async def generate(request: gr.Request, *values: Any) -> AsyncIterator[dict[str, Any]]:
        """Draws a prompt and streams its progress.

        Every answer is {"error", "note", "pictures"}; a picture is {"id", "state", "position", "index",
        "count", "seed", "error", "image"}. The image is a data URL: previews first, at the end a PNG that
        stores its settings. States: waiting, drawing, done, failed, stopped. To read maps afterwards, set
        record = "grid", "site" or "head". lossy_cache_interval above 1 is faster and changes the picture.
        """
        settings = Settings(**dict(zip(map(_setting, names), values, strict=True)))
        run = handlers.draw(studio, Visitor.of(request), settings, with_film=False)
        async for message in messages(run):
            pictures = [{name: each[name] for name in STEP_FIELDS} for each in message["pictures"]]
            yield {"error": message["error"], "note": message["note"], "pictures": pictures}

    taken = parameters()
    names = [parameter.name for parameter in taken]
    # gradio reads what an endpoint takes from the signature, and the types from the annotations.
    first = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request)
    returned = generate.__annotations__["return"]
    generate.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [first, *taken], return_annotation=returned
    )
    generate.__annotations__ = {each.name: each.annotation for each in (first, *taken)}
    generate.__annotations__["return"] = returned

    def maps(
        request: gr.Request, id: str, step: int | None = None, grid: int | None = None
    ) -> dict[str, Any]:
        """The heat map of each word of a picture.

        `id` is the picture's, from /generate in the same session. `step` counts from 0; without it the maps
        are means over all steps. `grid` is the number of positions along the shorter side. The answer is
        {"error", "words", "spans", "maps"}; maps are attention probabilities, words x height x width.
        """
        try:
            found = studio.results.get(id, Visitor.of(request)).maps
            if found is None:
                raise UsageError('nothing was recorded; ask /generate for record = "grid"')
            found = found if step is None else found.step(int(step))
            found = found if grid is None else found.grid(int(grid))
        except (ValueError, TypeError) as error:
            return {"error": str(error), "words": [], "spans": [], "maps": []}
        tokens, words = found.probabilities(), found.words()
        return {
            "error": "",
            "words": [word.text for word in words],
            "spans": [list(word.span) for word in words],
            "maps": [tokens[list(word.tokens)].sum(0).tolist() for word in words],
        }

    async def describe(request: gr.Request, image: str) -> dict[str, Any]:
        """What a picture of the default model's world shows, in words.

        `image` is a data URL of a PNG, JPEG or WebP, as /generate gives it. The answer is {"error", "text",
        "known", "words"}; `known` is 0 to 1, and below 0.5 the picture is of another world, and there are no
        words. A word is {"text", "span", "map"}; its map, height x width, says where the describer looked.
        """
        found = await answer(seeing.describe(studio, Visitor.of(request), image))
        return {name: value for name, value in found.items() if name != "alike"}

    async def ask(request: gr.Request, image: str, question: str) -> dict[str, Any]:
        """The answer to a question about a picture, such as "how many stars are there?".

        The answer is as that of /describe, with the "question" and its words, "asked". A question that cannot
        be read gets "error" and "examples".
        """
        return await answer(seeing.ask(studio, Visitor.of(request), image, question))

    async def check(
        request: gr.Request, image: str, prompt: str, model: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Whether a picture shows each word of a prompt, as the model that draws and the describer see it.

        Streams {"error", "is_over", "share", "model", "describer"}; share is what is done, 0 to 1. A check is
        {"words", "mean", "geometric_mean"}; a word is {"word", "span", "score"}, its score 0 to 1.
        """
        asked = {"image": image, "prompt": prompt, "model": model}
        async for message in messages(seeing.check(studio, Visitor.of(request), asked)):
            yield message

    gr.api(generate, api_name="generate", concurrency_limit=None)
    gr.api(maps, api_name="maps", concurrency_limit=4)
    for endpoint in (describe, ask, check):
        gr.api(endpoint, api_name=endpoint.__name__, concurrency_limit=None)


def parameters() -> list[inspect.Parameter]:
    """The parameters of `/generate`: the fields that a visitor may set, and the page's own settings."""
    found: dict[str, tuple[Any, Any]] = {}  # type, default
    for name, field in offered().items():
        if field.needs not in IMAGES:  # an image cannot be sent
            default = DEFAULTS[name]
            written: Any = str if name == "seed" else field.value.written  # a browser's numbers end at 2^53
            found[name] = (written | None if default is None else written), _written(default, written)
    found |= {
        "count": (int, 1),
        "model": (str | None, None),
        "attention_self": (str, AUTO),
        "attention_cross": (str, AUTO),
        "record": (str, "off"),
    }
    found["prompt"] = str, inspect.Parameter.empty
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [
        inspect.Parameter(name, kind, annotation=type, default=default)
        for name, (type, default) in found.items()
    ]


def _written(default: Any, written: Any) -> Any:
    """A default as a program would send it."""
    if not isinstance(default, tuple):
        return default
    return shown(default) if written is str else list(default)


def _setting(name: str) -> str:
    """The page's name of a parameter."""
    return {"attention_self": "self_attention", "attention_cross": "cross_attention"}.get(name, name)
