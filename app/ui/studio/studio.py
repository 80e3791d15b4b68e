"""Draws for all visitors in one thread, their requests together."""

import logging
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, Thread

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.studio.expansions import Expansions
from limelight.app.ui.studio.fair_queue import FairQueue
from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.recording_fallback import with_what_fits
from limelight.app.ui.studio.results import Results
from limelight.app.ui.studio.timing import Timing
from limelight.attention import AttentionOrder
from limelight.pipeline.errors import PictureError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.result import Step
from limelight.pipeline.sampling.engine import Engine, Session
from limelight.pipeline.text_to_image import TextToImagePipeline

log = logging.getLogger(__name__)
BUG = "something in here broke; the server's log says what, and the next picture begins afresh"


@dataclass(slots=True)
class Desk:
    """A session of an engine, and whose requests it has in flight."""

    session: Session
    tickets: dict[int, Ticket]


class Studio:
    """Requests wait in a fair queue and join the engine's calls between steps, as others leave.

    Args:
        pipelines: the models on the page's list by name; the first is the one that is taken if none is named.
    """

    def __init__(self, pipelines: Mapping[str, TextToImagePipeline], limits: Limits) -> None:
        self.pipelines = pipelines
        self.limits = limits
        self.results = Results(limits.max_kept)
        self.timing = Timing()
        self.expansions = Expansions()
        self._engines: dict[tuple[str, str], Engine] = {}
        self._queue: FairQueue[Ticket] = FairQueue(limits.max_waiting, limits.max_waiting_per_visitor)
        self._desks: dict[tuple[str, str], Desk] = {}  # the worker's alone
        self._drawing: list[Ticket] = []  # from the queue to the end
        self._changed = Condition()
        self._is_open = True
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="studio-decoder")
        self._worker = Thread(target=self._work, name="studio", daemon=True)
        self._worker.start()

    def engine(self, model: str, attention: str) -> Engine:
        """The engine of a model on the list under an order for backends; empty where any will do.

        Raises:
            BadOrder, UnknownBackend: the order cannot be read.
        """
        key = model, attention
        if key not in self._engines:
            order = AttentionOrder.parse(attention) if attention else None
            whole = self.pipelines[model].engine
            self._engines[key] = Engine(whole.model, order or whole.order, max_rows=whole.max_rows)
        return self._engines[key]

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Lets a visitor's tickets wait for their turn.

        Raises:
            QueueFull: there is no room for all of them; none waits.
        """
        with self._changed:
            if tickets:
                self._queue.check_room(tickets[0].visitor, len(tickets))
            for ticket in tickets:
                self._queue.add(ticket)
            self._changed.notify()

    def position(self, ticket: Ticket) -> int | None:
        """1 for the one that is next; None once it is drawn."""
        with self._changed:
            return self._queue.position(ticket)

    @property
    def num_drawing(self) -> int:
        """How many pictures are between the queue and their end."""
        return len(self._drawing)

    def stop(self, visitor: Visitor) -> int:
        """Stops all of a visitor's pictures, at the end of the step under way; says how many."""
        with self._changed:
            waiting = [ticket for ticket in self._queue.of(visitor) if self._queue.remove(ticket)]
            drawing = [ticket for ticket in self._drawing if ticket.visitor == visitor and not ticket.is_over]
            for ticket in waiting + drawing:
                ticket.stopped()
            self._changed.notify()
        return len(waiting + drawing)

    def stop_one(self, ticket: Ticket) -> None:
        """Stops one picture, if it is not over."""
        with self._changed:
            self._queue.remove(ticket)
            ticket.stopped()
            self._changed.notify()

    def leave(self, visitor: Visitor) -> None:
        """Stops a visitor's pictures and forgets those that are done."""
        with self._changed:
            self.stop(visitor)
            self.results.forget(visitor)
            self.expansions.forget(visitor)

    def close(self) -> None:
        """Stops everything, and returns when the worker has ended."""
        with self._changed:
            self._is_open = False
            self._changed.notify()
        self._worker.join()
        self._decoder.shutdown()

    def _work(self) -> None:
        while self._is_open:
            self._sweep()
            for ticket in self._admitted():
                self._begin(ticket)
            for desk in list(self._desks.values()):
                if desk.session.is_busy:
                    self._advance(desk)
            self._desks = {key: desk for key, desk in self._desks.items() if desk.tickets}
            self._rest()

    def _rest(self) -> None:
        """Waits while there is nothing to do."""
        with self._changed:
            while self._is_open and not self._desks and not self._has_room():
                self._changed.wait()

    def _has_room(self) -> bool:
        return bool(len(self._queue)) and len(self._drawing) < self.limits.max_drawing

    def _admitted(self) -> list[Ticket]:
        """Takes from the queue what may begin now."""
        taken = []
        with self._changed:
            while self._has_room():
                counts: Counter[Hashable] = Counter(ticket.visitor for ticket in self._drawing)
                most = self.limits.max_drawing_per_visitor
                ticket = self._queue.take(lambda visitor: counts[visitor] < most)  # noqa: B023
                if ticket is None:
                    break
                self._drawing.append(ticket)
                taken.append(ticket)
        return taken

    def _begin(self, ticket: Ticket) -> None:
        key = ticket.model, ticket.attention
        if ticket.is_over:  # stopped meanwhile
            return
        try:
            desk = self._desks.get(key) or Desk(self.engine(*key).session(later=True), {})
            number, ticket.note = with_what_fits(desk.session.add, ticket.request)
            desk.tickets[number] = ticket
            self._desks[key] = desk
        except (ValueError, PictureError) as error:  # refusals are ValueErrors
            self._end(ticket, error=str(error))
        except Exception:
            log.exception("a request could not begin")
            self._end(ticket, error=BUG)

    def _sweep(self) -> None:
        """Frees what was stopped."""
        for desk in self._desks.values():
            for number, ticket in list(desk.tickets.items()):
                if ticket.is_over:
                    desk.session.abort(number)
                    del desk.tickets[number]
        with self._changed:
            self._drawing = [ticket for ticket in self._drawing if not ticket.is_over]

    def _advance(self, desk: Desk) -> None:
        try:
            steps = desk.session.step()
        except Exception:
            log.exception("a step broke; its session is given up")
            for ticket in desk.tickets.values():
                self._end(ticket, error=BUG)
            desk.tickets.clear()
            return
        for step in steps:
            self._deliver(desk, step)

    def _deliver(self, desk: Desk, step: Step) -> None:
        ticket = desk.tickets[step.id]
        if ticket.is_over:
            return
        if not step.is_last:
            ticket.take(step)
            return
        del desk.tickets[step.id]
        if step.error is not None:
            self._end(ticket, error=str(step.error))
        else:
            self._decoder.submit(self._finish, ticket, step)

    def _finish(self, ticket: Ticket, step: Step) -> None:
        assert step.finish is not None
        try:
            result = step.finish()
        except PictureError as error:
            self._end(ticket, error=str(error))
            return
        except Exception:
            log.exception("a picture could not be decoded")
            self._end(ticket, error=BUG)
            return
        with self._changed:  # a visitor who leaves meanwhile leaves nothing behind
            if not ticket.is_over:
                self.results.keep(ticket.visitor, ticket.id, result)
                ticket.finish(result)
        self._end(ticket)

    def _end(self, ticket: Ticket, *, error: str = "") -> None:
        if error:
            ticket.fail(error)
        with self._changed:
            self._drawing = [each for each in self._drawing if each is not ticket]
            self._changed.notify()


def checked(studio: Studio, request: GenerationRequest, model: str, attention: str) -> None:
    """Raises what refuses a request, before it waits: its model, its backends.

    Raises:
        UsageError, BackendRefused, BadOrder, UnknownBackend: each a ValueError that says what to change.
    """
    studio.engine(model, attention).plan(request)
