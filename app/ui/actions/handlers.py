"""The handlers of the page's events. They know nothing of gradio's components."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.form import restore as restoring
from limelight.app.ui.form.changes import changes_of
from limelight.app.ui.form.decode_upload import decoded
from limelight.app.ui.form.settings import Settings, model_of, requests_of, seed_of
from limelight.app.ui.form.start_image import size_for
from limelight.app.ui.output.frames import Frames, refusal
from limelight.app.ui.output.unknown import near_words
from limelight.app.ui.studio.fair_queue import QueueFull
from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.studio import Studio, checked
from limelight.pipeline.errors import UsageError
from limelight.pipeline.text.near import Near
from limelight.pipeline.text.vocabulary import passed_over


async def draw(
    studio: Studio, visitor: Visitor, settings: Settings, *, with_film: bool = True
) -> AsyncIterator[dict[str, Any]]:
    """Yields messages about a run until it is over; closing the iterator stops the run.

    A refusal is a single message with the reason.

    Args:
        with_film: sends the previews of all steps with a finished picture.
    """
    changed, loop = asyncio.Event(), asyncio.get_running_loop()

    def notify() -> None:
        loop.call_soon_threadsafe(changed.set)

    try:
        tickets, said = await asyncio.to_thread(_tickets, studio, visitor, settings, notify)
        studio.submit(tickets)
    except (ValueError, QueueFull) as error:  # every refusal is a ValueError that says what to change
        yield refusal(str(error))
        return
    note = " ".join(filter(None, (said, note_on_words(studio, tickets[0]))))
    frames = Frames(studio, secrets.token_urlsafe(8), tickets, note=note, with_film=with_film)
    try:
        while True:
            changed.clear()
            message = await asyncio.to_thread(frames.message)
            yield message
            if message["is_over"]:
                return
            await asyncio.sleep(studio.limits.live_seconds)
            await _changed_or_queued(changed, tickets)
    finally:
        for ticket in tickets:
            studio.stop_one(ticket)


async def _changed_or_queued(changed: asyncio.Event, tickets: list[Ticket]) -> None:
    """Waits for a change of the tickets. Positions in the queue change without one: while a ticket waits, the
    wait ends after a second."""
    is_queued = any(ticket.state == "waiting" for ticket in tickets)
    try:
        await asyncio.wait_for(changed.wait(), timeout=1.0 if is_queued else None)
    except TimeoutError:
        return


def _tickets(studio: Studio, visitor: Visitor, settings: Settings, notify: Any) -> tuple[list[Ticket], str]:
    """The tickets of a run, and a note on replaced emoji and on places that were left out."""
    name = model_of(settings, list(studio.pipelines))
    model = studio.pipelines[name].model
    height, width = model.native_size
    near = model.vocabulary.near if model.vocabulary is not None else Near()
    said = [f"{emoji} stands for {words}." for emoji, words in settings.spell_out(near).items()]
    said += [
        f"The prompt has no {word!r} any more; its place is left out." for word in settings.drop_lost_places()
    ]
    requests = requests_of(settings, studio.limits, (width, height))
    checked(studio, requests[0], name, settings.attention)
    requests = studio.expansions.recorded(visitor, requests)
    tickets = [Ticket(visitor, name, settings.attention, request, notify) for request in requests]
    studio.results.forget(visitor)
    return tickets, " ".join(said)


def note_on_words(studio: Studio, ticket: Ticket) -> str:
    """A note on words that a small model was not trained on; empty if there are none."""
    offers = near_words(studio, ticket)
    return f"This {passed_over(offers)}." if offers else ""


@dataclass(frozen=True, slots=True)
class Change:
    """The new values of controls after an event, and a message about it.

    Attributes:
        text: the message; empty for none.
        settings: control -> value.
        kind: `error`, or empty.
    """

    text: str
    settings: Mapping[str, Any]
    kind: str = ""


def expand(studio: Studio, visitor: Visitor, settings: Settings) -> Change:
    """Lets a language model continue the prompt. Its seed becomes the picture's."""
    try:
        model = studio.pipelines[model_of(settings, list(studio.pipelines))].model
        height, width = model.native_size
        request = requests_of(settings, studio.limits, (width, height), record=False)[0]
        expansion = studio.expansions.expand(
            visitor, request.prompt, seed=request.seed, vocabulary=model.vocabulary
        )
    except ValueError as error:
        return Change(str(error), {}, "error")
    if not expansion.added:
        return Change("The language model added no words; try another seed.", {})
    return Change(
        f"Added: {expansion.added.strip(' ,')}", {"prompt": expansion.text, "seed": str(request.seed)}
    )


def restore(event: Any, studio: Studio) -> Change:
    """Brings back the settings of a PNG that was dropped on the page."""
    try:
        data = decoded(_field(event, "data"), studio.limits)
        stored = restoring.request_of_png(data, studio.limits)
        return _restored(stored, studio)
    except ValueError as error:
        return Change(str(error), {}, "error")


def _restored(stored: Mapping[str, Any], studio: Studio) -> Change:
    again = (
        " It was made from an image that it does not store: choose that image again."
        if stored.get("image")
        else ""
    )
    found = restoring.settings_of_record(stored, studio.limits)
    names = ", ".join(restoring.left_out(stored))
    rest = (
        f" The page cannot set {names}, so it draws another picture; `limelight replay` can." if names else ""
    )
    return Change(f"The settings of that picture are back.{again}{rest}", found)


def recall(event: Any, studio: Studio) -> Change:
    """Brings back settings, or the seed alone, from the browser's history."""
    stored = _field(event, "settings")
    try:
        if not isinstance(stored, Mapping):
            raise UsageError("there are no settings with it")
        if _field(event, "kind") == "seed":
            seed = str(seed_of(stored.get("seed")))
            return Change(f"Seed {seed} is kept.", {"seed": seed})
        return _restored(stored, studio)
    except ValueError as error:
        return Change(str(error), {}, "error")


def choose(studio: Studio, model: Any) -> Change:
    """Sets the size to the one that a model was trained at."""
    try:
        height, width = studio.pipelines[
            model_of(Settings(prompt="", model=model), list(studio.pipelines))
        ].model.native_size
    except ValueError as error:
        return Change(str(error), {}, "error")
    return Change("", {"width": width, "height": height})


def fit(event: Any, studio: Studio, model: Any) -> Change:
    """Sets the size to the shape of the image to start from."""
    wide, high = _field(event, "width"), _field(event, "height")
    if not (isinstance(wide, int) and isinstance(high, int) and min(wide, high) > 0):
        return Change("The image has no size.", {}, "error")
    names = list(studio.pipelines)
    native = studio.pipelines[model if model in names else names[0]].model
    own_height, own_width = native.native_size
    width, height = size_for((wide, high), (own_width, own_height), studio.limits)
    text = (
        "" if (width, height) == (own_width, own_height) else f"{width} x {height} pixels, as the image is."
    )
    return Change(text, {"width": width, "height": height})


async def again(
    studio: Studio, visitor: Visitor, event: Any, start: Any = None
) -> AsyncIterator[dict[str, Any]]:
    """Draws a picture again with something changed, as `draw` does.

    Args:
        event: {"settings", "model"} of the picture, and what changes, as `changes_of` takes it.
        start: the image that is chosen on the page, for a picture that was made from one.
    """
    try:
        stored = _field(event, "settings")
        if not isinstance(stored, Mapping):
            raise UsageError("there are no settings with it")
        settings = Settings(
            **restoring.settings_of_record(dict(stored) | changes_of(event, stored), studio.limits),
            model=_field(event, "model"),
            start=restoring.start_of_record(stored, start, studio.limits),
        )
    except (ValueError, TypeError) as error:
        yield refusal(str(error))
        return
    async for message in draw(studio, visitor, settings):
        yield message


def _field(event: Any, name: str) -> Any:
    return event.get(name) if isinstance(event, Mapping) else None
