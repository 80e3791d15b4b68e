"""Where pictures are drawn together."""

from dataclasses import dataclass

from limelight.app.ui.studio.job import Ticket
from limelight.pipeline.sampling.engine import Session


@dataclass(frozen=True, slots=True)
class Key:
    """Which pictures are drawn together: those of one model, one order for backends and one size.

    Attributes:
        size: width and height of the finished picture; None for the model's own.
    """

    model: str
    attention: str
    size: tuple[int | None, int | None]


@dataclass(slots=True)
class Desk:
    """A session of an engine, and whose requests it has in flight.

    Attributes:
        spent: seconds of drawing that each of its visitors has had; whose desk has least comes next.
    """

    session: Session
    tickets: dict[int, Ticket]
    spent: float = 0.0
