"""Answers a visitor in our words where something in here breaks, and writes none of theirs into the log.

gradio would print the error, which may hold what they wrote, and show a box of its own.
"""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from limelight.app.ui.access.log import place_of
from limelight.app.ui.actions.handlers import Change
from limelight.app.ui.output.frames import refusal
from limelight.app.ui.studio.studio import BUG

log = logging.getLogger(__name__)


async def messages(run: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """The messages of a run, the last of them a refusal where it breaks."""
    try:
        async for message in run:
            yield message
    except Exception as error:
        log.error("an action broke: %s", place_of(error))
        yield refusal(BUG)


def changed(act: Callable[[], Change]) -> Change:
    """What an action changes, or nothing where it breaks."""
    try:
        return act()
    except Exception as error:
        log.error("an action broke: %s", place_of(error))
        return Change(BUG, {}, "error")
