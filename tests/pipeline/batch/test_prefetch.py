"""No prompt is encoded twice, and no caller waits for one that nobody encodes."""

import threading
from dataclasses import dataclass, field

from limelight.pipeline import GenerationRequest
from limelight.pipeline.batch.worker import Prefetch


@dataclass
class Text:
    """Encodes one prompt at a time, each when the test permits it."""

    go: threading.Event = field(default_factory=threading.Event)
    taken_up: threading.Event = field(default_factory=threading.Event)
    encoded: list[str] = field(default_factory=list)

    def prompt(self, text: str, *, clip_skip: int, syntax: str) -> None:
        self.taken_up.set()
        assert self.go.wait(10)
        self.encoded.append(text)


def request(prompt: str) -> GenerationRequest:
    return GenerationRequest(prompt=prompt)


def test_prompts_left_to_the_caller_are_awaited_or_not_begun() -> None:
    text = Text()
    prefetch = Prefetch(text)  # type: ignore[arg-type]
    for prompt in ("first", "second", "first", "third"):
        prefetch.encode(request(prompt))
    assert text.taken_up.wait(10)
    prefetch.leave(request("second"))  # which nobody has begun
    prefetch.leave(request("never given"))
    threading.Timer(0.05, text.go.set).start()
    prefetch.leave(request("first"))
    assert text.encoded[0] == "first"
    prefetch.leave(request("first"))
    prefetch.encode(request("fourth"))
    prefetch.leave(request("third"))
    prefetch.stop()
    assert "second" not in text.encoded
    assert text.encoded.count("first") == 1
