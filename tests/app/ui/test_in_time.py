"""Whatever hangs is a failure in time; work with an event loop runs whether or not a browser was used."""

import threading
from pathlib import Path

import pytest

from tests.app.ui.in_time import client_of, in_time, run


def test_a_hang_fails_and_says_where_each_thread_is() -> None:
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait, name="another")
    thread.start()
    try:
        with pytest.raises(pytest.fail.Exception, match=r"(?s)not done after 0.2 seconds.*another: .*wait"):
            with in_time(0.2):
                threading.Event().wait()
    finally:
        waiting.set()
        thread.join()


def test_cleaning_up_has_a_limit_too() -> None:
    with pytest.raises(pytest.fail.Exception, match="not done"), in_time(0.2):
        try:
            threading.Event().wait()
        finally:
            threading.Event().wait()


def test_a_client_whose_answers_are_lost_fails_and_its_threads_end(page_url, monkeypatch) -> None:
    with client_of(page_url) as client:
        monkeypatch.setattr(client, "stream_messages", lambda *_: None)  # the connection broke
        with pytest.raises(pytest.fail.Exception, match="not done"), in_time(3):
            list(client.submit(prompt="a", num_steps=1, api_name="/generate"))
    with in_time(20):
        client.executor.shutdown(wait=True)


def test_no_other_test_of_the_page_needs_a_thread_without_an_event_loop_or_waits_forever() -> None:
    """Whether it failed would depend on what ran before it."""
    texts = {path: path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py")}
    del texts[Path(__file__)]
    assert len(texts) > 30
    bad = ("asyncio.run", "gradio_client import Client", ".run_until_complete")
    assert [path.name for path, text in texts.items() if any(each in text for each in bad)] == []


def test_a_coroutine_runs_where_an_event_loop_is_running() -> None:
    async def value() -> int:
        return 3

    async def inside() -> int:
        return run(value()) + 1

    assert run(inside()) == 4
