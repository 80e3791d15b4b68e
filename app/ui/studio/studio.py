"""Draws the requests of all visitors in one thread, in shared U-Net calls."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Thread

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.log import place_of
from limelight.app.ui.access.sessions import Sessions
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.studio.checks import Checks
from limelight.app.ui.studio.describing import Describing
from limelight.app.ui.studio.desk import Desk, Key
from limelight.app.ui.studio.expansions import Expansions
from limelight.app.ui.studio.fair_queue import FairQueue
from limelight.app.ui.studio.job import Ticket
from limelight.app.ui.studio.pace import Pace
from limelight.app.ui.studio.recording_fallback import begin_with_fallback
from limelight.app.ui.studio.results import Results
from limelight.app.ui.studio.timing import Timing
from limelight.attention import AttentionOrder
from limelight.pipeline.errors import PictureError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.results.result import Step
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.text_to_image import TextToImagePipeline

log = logging.getLogger(__name__)
BUG = "an error in the server, which its log describes; draw the picture again"


class Studio:
    """Requests wait in a fair queue and join the engine's calls between steps, as others leave.

    Args:
        pipelines: the models on the page's list by name; the first is the default.
    """

    def __init__(self, pipelines: Mapping[str, TextToImagePipeline], limits: Limits) -> None:
        self.pipelines = pipelines
        self.limits = limits
        self.results = Results(limits.max_kept)
        self.timing = Timing()
        self.expansions = Expansions()
        self.sessions = Sessions(patience=limits.silent_seconds, max_silent=limits.max_silent)
        self.describing = Describing(limits)
        self.checks = Checks(limits.max_checking, self.sessions.is_here)
        self.pace = Pace(pipelines, limits)
        self._engines: dict[tuple[str, str, int | None], Engine] = {}
        self._queue: FairQueue[Ticket] = FairQueue(limits.max_waiting, limits.max_waiting_per_visitor)
        self._desks: dict[Key, Desk] = {}  # the worker's alone
        self._drawing: list[Ticket] = []  # from the queue to the end
        self._changed = Condition()
        self._is_open = True
        self._decoder = ThreadPoolExecutor(1, thread_name_prefix="studio-decoder")
        self._worker = Thread(target=self._work, name="studio", daemon=True)
        self._worker.start()

    def engine(self, model: str, attention: str, max_rows: int | None = None) -> Engine:
        """The engine for a model on the list and an order for backends.

        Args:
            attention: the order; empty for an automatic choice.
            max_rows: predictions in a call; None for the limit of the model's own engine.

        Raises:
            BadOrder, UnknownBackend: the order cannot be read.
        """
        key = model, attention, max_rows
        if key not in self._engines:
            order = AttentionOrder.parse(attention) if attention else None
            whole = self.pipelines[model].engine
            self._engines[key] = Engine(
                whole.model, order or whole.order, max_rows=max_rows or whole.max_rows
            )
        return self._engines[key]

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Puts a visitor's tickets into the queue.

        Raises:
            QueueFull: there is no room for all of them; none is put into it.
        """
        with self._changed:
            if tickets:
                self._queue.check_room(tickets[0].visitor, len(tickets))
                self.checks.forget(tickets[0].visitor)
            for ticket in tickets:
                displaced = self._queue.add(ticket)
                if displaced is not None:
                    displaced.fail(
                        "the queue is full, and other visitors have fewer pictures in it; try again"
                    )
            self._changed.notify()

    def nudge(self) -> None:
        """Wakes the worker after a client has begun to read a session's answers, or a check has come."""
        with self._changed:
            self._changed.notify()

    def position(self, ticket: Ticket) -> int | None:
        """The position in the queue, 1 for the next; None once a ticket is drawn."""
        with self._changed:
            return self._queue.position(ticket)

    @property
    def num_drawing(self) -> int:
        """How many pictures are between the queue and their end."""
        return len(self._drawing)

    def stop(self, visitor: Visitor) -> int:
        """Stops all of a visitor's pictures at the end of the present step; returns how many. A check ends
        too."""
        with self._changed:
            self.checks.forget(visitor)
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
        """Stops a visitor's pictures and drops the finished ones."""
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
        self.describing.close()

    def _work(self) -> None:
        while self._is_open:
            self._sweep()
            for ticket in self._admitted():
                self._begin(ticket)
            busy = [key for key, desk in self._desks.items() if desk.session.is_busy]
            if busy:
                self._advance(min(busy, key=lambda key: self._desks[key].spent))
            self.checks.advance(is_drawing=bool(busy))
            self._desks = {key: desk for key, desk in self._desks.items() if desk.tickets}
            self._rest()

    def _rest(self) -> None:
        """Waits while there is nothing to do."""
        with self._changed:
            while self._is_open and not self._has_work():
                self._changed.wait()

    def _has_work(self) -> bool:
        return bool(self._desks) or self.checks.has_next() or self._queue.has_next(self._may_begin())

    def _may_begin(self) -> Callable[[Visitor], bool]:
        """Whether a visitor's next picture may begin together with those that are drawn now."""
        limits, drawing = self.limits, self._drawing
        visitors = Counter(ticket.visitor for ticket in drawing)
        addresses = Counter(ticket.visitor.address for ticket in drawing if ticket.visitor.address)

        def may_begin(visitor: Visitor) -> bool:
            return (
                len(drawing) < limits.max_drawing
                and visitors[visitor] < limits.max_drawing_per_visitor
                and addresses[visitor.address] < limits.max_drawing_per_address
                and self.sessions.is_here(visitor.session)
            )

        return may_begin

    def _admitted(self) -> list[Ticket]:
        """Removes from the queue the tickets that may begin now."""
        taken = []
        with self._changed:
            while (ticket := self._queue.take(self._may_begin())) is not None:
                self._drawing.append(ticket)
                taken.append(ticket)
        return taken

    def _begin(self, ticket: Ticket) -> None:
        key = Key(ticket.model, ticket.attention, ticket.request.final_size)
        if ticket.is_over:  # stopped meanwhile
            return
        try:
            desk = self._desks.get(key) or self._new_desk(key)
            number, note = begin_with_fallback(desk.session.add, ticket.request)
            ticket.note = " ".join([*self._remarks(ticket), *([note] if note else [])])
            desk.tickets[number] = ticket
            self._desks[key] = desk
        except (ValueError, PictureError) as error:  # refusals are ValueErrors
            self._end(ticket, error=str(error))
        except Exception as error:
            log.error("a request could not begin: %s", place_of(error))
            self._end(ticket, error=BUG)

    def _new_desk(self, key: Key) -> Desk:
        """An empty desk, with calls small enough that others do not wait long."""
        spent = min((desk.spent for desk in self._desks.values()), default=0.0)
        engine = self.engine(key.model, key.attention, self.pace.max_rows(key))
        return Desk(engine.session(later=True), {}, spent)

    def _remarks(self, ticket: Ticket) -> list[str]:
        """Sentences about parts of the prompts that have no effect."""
        text, request = self.pipelines[ticket.model].model.text, ticket.request
        syntax = request.prompt_syntax
        remarks = [*text.said_of(request.prompt, syntax), *text.said_of(request.negative_prompt, syntax)]
        return [f"{remark[:1].upper()}{remark[1:]}." for remark in remarks]

    def _sweep(self) -> None:
        """Aborts the requests of tickets that were stopped."""
        for desk in self._desks.values():
            for number, ticket in list(desk.tickets.items()):
                if ticket.is_over:
                    desk.session.abort(number)
                    del desk.tickets[number]
        with self._changed:
            self._drawing = [ticket for ticket in self._drawing if not ticket.is_over]

    def _advance(self, key: Key) -> None:
        desk = self._desks[key]
        visitors = len({ticket.visitor for ticket in desk.tickets.values()})
        began = time.perf_counter()
        try:
            steps = desk.session.step()
        except Exception as error:
            log.error("a step broke, and its session is given up: %s", place_of(error))
            for ticket in desk.tickets.values():
                self._end(ticket, error=BUG)
            desk.tickets.clear()
            return
        seconds = time.perf_counter() - began
        desk.spent += seconds / max(1, visitors)
        self.pace.note(key, steps, seconds)
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
        except Exception as error:
            log.error("a picture could not be decoded: %s", place_of(error))
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
    """Checks a request before it goes into the queue.

    Raises:
        UsageError, BackendRefused, BadOrder, UnknownBackend: each a ValueError that says what to change.
    """
    studio.pace.check(request, model)
    studio.engine(model, attention).plan(request)
