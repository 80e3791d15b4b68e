"""Describes pictures, answers questions about them, and checks the words of their prompts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

from PIL import Image

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.form.settings import Settings, model_of, requests_of
from limelight.app.ui.form.start_image import images_of, size_for
from limelight.app.ui.output.seen import answer_of, check_of, description_of
from limelight.app.ui.studio.checks import CheckJob
from limelight.app.ui.studio.desk import Key
from limelight.app.ui.studio.fair_queue import QueueFull
from limelight.app.ui.studio.studio import Studio, checked
from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.describer.description import NotAQuestion
from limelight.pipeline.describer.phrases import EXAMPLES
from limelight.pipeline.errors import UsageError
from limelight.pipeline.reading.agreement import alike
from limelight.pipeline.reading.check import checking, require_drawing
from limelight.pipeline.reading.described_check import check_by_describer
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.segments import words_in

Message = dict[str, Any]


async def describe(studio: Studio, visitor: Visitor, image: Any, words: Any = ()) -> Message:
    """What a picture shows; a refusal is in "error".

    Args:
        image: a data URL.
        words: of its prompt; "alike" has the pairs of their numbers and those of words of the description
            that mean the same.
    """

    def act(describer: DefaultDescriber) -> Message:
        found = describer.describe(_pixels(image, studio.limits))
        typed = _texts(words, studio.limits)
        same = alike(typed, [word.text for word in found.words])
        return description_of(found) | {"alike": [list(pair) for pair in same]}

    return await _answered(studio, visitor, act)


async def ask(studio: Studio, visitor: Visitor, image: Any, question: Any) -> Message:
    """The answer to a question. One that cannot be read gets "error", and "examples" of others."""

    def act(describer: DefaultDescriber) -> Message:
        if not isinstance(question, str) or not question.strip():
            raise NotAQuestion("type a question first")
        return answer_of(describer.ask(_pixels(image, studio.limits), question))

    return await _answered(studio, visitor, act)


async def check(studio: Studio, visitor: Visitor, asked: Any) -> AsyncIterator[Message]:
    """Yields how far the check of a picture is, and at the end what it found: {"error", "is_over", "share",
    "model", "describer"}. A check is {"words", "mean", "geometric_mean"}; None before it is there, or where
    the model or the describer knows none of the words.

    Args:
        asked: {"image", "prompt", "model"}, and "settings" of the picture.
    """
    changed, loop = asyncio.Event(), asyncio.get_running_loop()

    def notify() -> None:
        loop.call_soon_threadsafe(changed.set)

    try:
        model, request, pixels = await asyncio.to_thread(_checked_request, studio, asked)
        act: Callable[[DefaultDescriber], Any] = partial(
            check_by_describer, picture=pixels, prompt=request.prompt
        )
        described = check_of(await studio.describing.run(visitor, act))
        engine = studio.engine(model, "", studio.pace.max_rows(Key(model, "", request.final_size)))
        job = CheckJob(visitor, checking(engine, request), notify)
        studio.checks.add(job)
    except (ValueError, QueueFull) as error:  # every refusal is a ValueError
        yield {"error": str(error), "is_over": True, "share": 0.0, "model": None, "describer": None}
        return
    studio.nudge()
    try:
        while True:
            changed.clear()
            is_over = job.is_over
            yield {
                "error": job.error,
                "is_over": is_over,
                "share": 1.0 if is_over else round(job.share, 3),
                "model": check_of(job.found),
                "describer": described,
            }
            if is_over:
                return
            await asyncio.sleep(studio.limits.live_seconds)
            await changed.wait()
    finally:
        studio.checks.stop(job)


async def _answered(studio: Studio, visitor: Visitor, act: Callable[[DefaultDescriber], Message]) -> Message:
    try:
        return await studio.describing.run(visitor, act)
    except NotAQuestion as error:
        return {"error": str(error).partition("; ask for example")[0], "examples": list(EXAMPLES)}
    except (ValueError, QueueFull) as error:
        return {"error": str(error)}


def _pixels(image: Any, limits: Limits) -> Any:
    found, _ = images_of({"image": image}, limits)
    if found is None:
        raise UsageError("there is no picture; draw one first")
    return found.pixels


def _texts(words: Any, limits: Limits) -> list[str]:
    """The words of a prompt that came with a picture; none if they are something else."""
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return words if is_list and sum(map(len, words)) <= limits.max_prompt_characters else []


def _checked_request(studio: Studio, asked: Any) -> tuple[str, GenerationRequest, Image.Image]:
    """The model that checks, a request with the picture and its prompt, and the picture.

    Raises:
        UsageError: a value is out of its range, or is more than the page offers.
    """
    asked = asked if isinstance(asked, Mapping) else {}
    stored = asked.get("settings")
    stored = stored if isinstance(stored, Mapping) else {}
    names = ("clip_skip", "prompt_syntax", "width", "height")
    kept = {name: stored[name] for name in names if stored.get(name) is not None}
    start = {"image": asked.get("image")}
    settings = Settings(**kept, prompt=asked.get("prompt"), model=asked.get("model"), start=start, seed="0")
    name, limits = model_of(settings, list(studio.pipelines)), studio.limits
    model = studio.pipelines[name].model
    require_drawing(model)
    height, width = model.native_size
    image, _ = images_of(start, limits)
    if image is None:
        raise UsageError("there is no picture; draw one first")
    if not {"width", "height"} <= set(kept):
        settings.fields["width"], settings.fields["height"] = size_for(
            image.pixels.size, (width, height), limits
        )
    (request,) = requests_of(settings, limits, (width, height), record=False)
    if (count := len(words_in(request.prompt))) > limits.max_checked_words:
        raise NotOffered(f"the prompt has {count} words; at most {limits.max_checked_words} are checked here")
    checked(studio, request, name, "")
    return name, request.opened(), image.pixels
