"""Groups of pictures that are drawn together."""

from dataclasses import dataclass

from limelight.app.ui.studio.job import Ticket
from limelight.pipeline.sampling.engine import Session


@dataclass(frozen=True, slots=True)
class Key:
    """What pictures have in common that are drawn together: model, order for backends, and size.

    Attributes:
        size: width and height of the finished picture; None for the model's own.
    """

    model: str
    attention: str
    size: tuple[int | None, int | None]


@dataclass(slots=True)
class Desk:
    """A session of an engine, and the tickets of the requests that it has in flight.

    Attributes:
        tickets: the session's number of a request -> its ticket.
        spent: seconds of drawing for each of its visitors; the desk with the least comes next.
    """

    session: Session
    tickets: dict[int, Ticket]
    spent: float = 0.0
