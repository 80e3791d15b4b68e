"""Work that waits for something else, with a limit: a hang is a failure that says where it hangs."""

import asyncio
import signal
import sys
import threading
import traceback
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from gradio_client import Client

LIMIT = 60.0  # seconds; what is limited takes a few, also on a busy machine


@contextmanager
def in_time(seconds: float = LIMIT) -> Iterator[None]:
    """Fails the test, with the last line of each thread, if the block takes longer; for the main thread."""

    def fail(*_: object) -> None:
        names = {thread.ident: thread.name for thread in threading.enumerate()}
        frames = {names.get(ident, "?"): frame for ident, frame in sys._current_frames().items()}
        lines = [f"{name}: {traceback.format_stack(frame)[-1].strip()}" for name, frame in frames.items()]
        pytest.fail("\n".join([f"not done after {seconds:g} seconds; its threads are at", *lines]))

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)  # again, where cleaning up hangs too
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def client_of(url: str, auth: tuple[str, str] | None = None) -> Iterator[Client]:
    """A client of a page's API. gradio's waits forever for an answer that does not come: use `in_time`."""
    with in_time():
        client = Client(url, verbose=False, auth=auth)
    try:
        yield client
    finally:
        client.close()
        for waiting in client.pending_messages_per_event.values():
            waiting.append(None)  # ends threads that still wait, and would keep the process from ending


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns, in time. It has a thread of its own: playwright, once it is used, leaves a
    running event loop in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, asyncio.wait_for(work, LIMIT)).result()
