"""Gradio's own queue, which comes before the fair one: kept empty, and closed without a login."""

import sys
from copy import copy
from http.cookies import CookieError, SimpleCookie

import gradio as gr
from gradio.state_holder import SessionState, StateHolder


class GradioQueue:
    """Reads and changes gradio's queue through its private attributes; a new gradio may need changes here.

    Args:
        app: serves the page.
        max_open: calls that it runs at once; the guard admits no more, so none waits here.
    """

    def __init__(self, page: gr.Blocks, app: gr.routes.App, max_open: int) -> None:
        self._page = page
        self._app = app
        page._queue.max_thread_count = max_open
        page._queue.ANALYTICS_MAX_EVENTS = 1
        page._queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize  # else it sums all events after every call
        app.state_holder = _Sessions(page)

    def is_logged_in(self, cookies: str) -> bool:
        """Whether a Cookie header has a valid login; always true on a page without passwords."""
        app = self._app
        if app.auth is None:
            return True
        try:
            given = SimpleCookie(cookies)
        except CookieError:
            return False
        names = (f"access-token-{app.cookie_id}", f"access-token-unsecure-{app.cookie_id}")
        return any(name in given and given[name].value in app.tokens for name in names)

    def knows(self, session: str) -> bool:
        """Whether the queue has messages for a session."""
        return session in self._page._queue.pending_messages_per_session

    @property
    def num_open(self) -> int:
        """Calls that wait or run."""
        return len(self._page._queue.event_ids_to_events)

    def num_open_of(self, session: str) -> int:
        """Calls of one session that wait or run."""
        events = list(self._page._queue.event_ids_to_events.values())
        return sum(event.session_hash == session for event in events)

    async def forget(self, session: str) -> None:
        """Ends a session's calls, and drops the messages that wait for it."""
        queue = self._page._queue
        await queue.clean_events(session_hash=session)
        queue.pending_messages_per_session.pop(session, None)
        queue.pending_event_ids_session.pop(session, None)
        holder = getattr(self._page, "state_holder", None)
        if holder is not None:
            holder.session_data.pop(session, None)
            holder.time_last_used.pop(session, None)


class _Sessions(StateHolder):
    """The state of each session, copied from a first one.

    Gradio builds the whole configuration of the page for each session, which takes 10 ms, and any client can
    invent session names.
    """

    def __init__(self, page: gr.Blocks) -> None:
        super().__init__()
        self.set_blocks(page)
        self._first = SessionState(page)

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = self._new()
        return super().__getitem__(session_id)

    def _new(self) -> SessionState:
        session = copy(self._first)
        session.blocks_config = copy(self.blocks.default_config)
        session.config_values = {
            key: {**config, "props": dict(config["props"])}
            for key, config in self._first.config_values.items()
        }
        session.state_data, session._state_ttl = {}, {}
        return session
