"""What a visitor hears where a handler raises: the one place that turns exceptions into words."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec

from limelight.app.ui.access.log import place_of
from limelight.app.ui.output.frames import refusal
from limelight.app.ui.studio.studio import BUG
from limelight.errors import LimelightError

log = logging.getLogger(__name__)
P = ParamSpec("P")
Messages = AsyncIterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """What an event does to the controls, and what is said of it."""

    text: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""


def words_of(error: Exception) -> str:
    """A refusal in its own words; of anything else, that something broke, which goes into the log."""
    if isinstance(error, LimelightError):
        return str(error)
    log.error("a handler broke: %s", place_of(error))
    return BUG


def answered(handler: Callable[P, Change]) -> Callable[P, Change]:
    """The handler, answering with an error's words where it raises one."""

    @wraps(handler)
    def answer(*arguments: P.args, **options: P.kwargs) -> Change:
        try:
            return handler(*arguments, **options)
        except Exception as error:
            return Change(words_of(error), kind="error")

    return answer


def reported(handler: Callable[P, Messages]) -> Callable[P, Messages]:
    """The handler, ending with a message of an error's words where it raises one."""

    @wraps(handler)
    async def report(*arguments: P.args, **options: P.kwargs) -> Messages:
        messages = handler(*arguments, **options)
        try:
            async for message in messages:
                yield message
        except Exception as error:
            yield refusal(words_of(error))
        finally:
            if hasattr(messages, "aclose"):
                await messages.aclose()  # so that a visitor who leaves stops the run

    return report
