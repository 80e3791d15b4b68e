"""What programs may ask of the page: `/generate`, which streams, and `/maps`; see docs/page.md."""

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions import handlers
from limelight.app.ui.form.settings import AUTO, Settings
from limelight.app.ui.studio.studio import Studio
from limelight.pipeline.errors import UsageError

STEP_FIELDS = ("id", "state", "position", "index", "count", "seed", "error", "image")


def add_endpoints(studio: Studio) -> None:
    """Adds both to the Blocks that are being built."""

    async def generate(
        request: gr.Request,
        prompt: str,
        negative_prompt: str = "",
        seed: str = "",
        num_steps: int = 25,
        guidance_scale: float | None = None,
        scheduler: str | None = None,
        width: int | None = None,
        height: int | None = None,
        count: int = 1,
        model: str | None = None,
        attention_self: str = AUTO,
        attention_cross: str = AUTO,
        record: str = "off",
        lossy_cache_interval: int = 1,
    ) -> AsyncIterator[dict[str, Any]]:
        """Draws a prompt and tells of it on the way.

        Every answer is {"error", "note", "pictures"}; a picture is {"id", "state", "position", "index",
        "count", "seed", "error", "image"}, its image a data URL: rough ones first, at the end a PNG with the
        record of what made it. States: waiting, drawing, done, failed, stopped. To read maps afterwards, ask
        for record = "grid", "site" or "head". lossy_cache_interval above 1 is faster and changes the picture.
        """
        settings = Settings(
            prompt=prompt,
            negative_prompt=negative_prompt,
            seed=seed,
            num_steps=num_steps,
            guidance_scale=guidance_scale,
            scheduler=scheduler,
            width=width,
            height=height,
            count=count,
            model=model,
            self_attention=attention_self,
            cross_attention=attention_cross,
            record=record,
            lossy_cache_interval=lossy_cache_interval,
        )
        async for message in handlers.draw(studio, Visitor.of(request), settings):
            pictures = [{name: each[name] for name in STEP_FIELDS} for each in message["pictures"]]
            yield {"error": message["error"], "note": message["note"], "pictures": pictures}

    def maps(
        request: gr.Request, id: str, step: int | None = None, grid: int | None = None
    ) -> dict[str, Any]:
        """Where each word of a picture acted.

        `id` is the picture's, from /generate in the same session; `step` counts from 0, all together if it is
        not given; `grid` is the positions along the shorter side. The answer is {"error", "words", "spans",
        "maps"}: numbers words x height x width, probabilities.
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

    gr.api(generate, api_name="generate", concurrency_limit=None)
    gr.api(maps, api_name="maps", concurrency_limit=4)
