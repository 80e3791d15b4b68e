"""Answers a visitor when an action raises an unexpected error, and logs it without the visitor's words.

gradio would log the error's message, which may quote the visitor, and show a box of its own.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from limelight.app.ui.access.log import place_of
from limelight.app.ui.actions.handlers import Change
from limelight.app.ui.output.frames import refusal
from limelight.app.ui.studio.studio import BUG

log = logging.getLogger(__name__)


async def messages(run: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """The messages of a run. An unexpected error ends them with a refusal."""
    try:
        async for message in run:
            yield message
    except Exception as error:
        log.error("an action broke: %s", place_of(error))
        yield refusal(BUG)


async def answer(act: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """The answer of an action, or an "error" in place of an unexpected one."""
    try:
        return await act
    except Exception as error:
        log.error("an action broke: %s", place_of(error))
        return {"error": BUG}


def changed(act: Callable[[], Change]) -> Change:
    """The change that an action makes, or an error message in place of an unexpected error."""
    try:
        return act()
    except Exception as error:
        log.error("an action broke: %s", place_of(error))
        return Change(BUG, {}, "error")
