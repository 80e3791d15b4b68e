"""Descriptions, answers and checks for visitors: what comes, what is refused, that others are not held up."""

import asyncio
import base64
import io
import json
import threading
import time

import pytest
import torch
from PIL import Image

from limelight.app.ui.access.limits import Limits
from limelight.app.ui.access.visitor import Visitor
from limelight.app.ui.actions import seeing
from limelight.app.ui.studio.describing import Describing
from limelight.app.ui.studio.fair_queue import QueueFull
from limelight.app.ui.studio.job import Ticket
from limelight.pipeline import GenerationRequest
from limelight.pipeline.describer.description import Description, NotAQuestion, SeenWord
from limelight.pipeline.reading.check import Atom, Check
from limelight.pipeline.text.encoder import Word
from tests.app.ui.in_time import run

ANNA, PROMPT = Visitor("anna", address="1.2.3.4"), "a red apple"


class FakeDescriber:
    def describe(self, picture):
        assert picture.mode == "RGB"
        return Description("apples", (SeenWord("apples", (0, 6), torch.ones(2, 3) / 6),), known=0.75)

    def ask(self, picture, question):
        raise NotAQuestion(f"{question!r} is no question; ask for example: this")


@pytest.fixture
def seeing_studio(studio, monkeypatch):
    monkeypatch.setattr(studio.describing, "_describer", FakeDescriber())
    found = Check((Atom(Word("apple", (6, 11), ()), "things", 0.25),))
    monkeypatch.setattr(seeing, "check_by_describer", lambda *_, **__: found)
    return studio


def url(side=64, kind="PNG", name="png"):
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(buffer, format=kind)
    return f"data:image/{name};base64,{base64.b64encode(buffer.getvalue()).decode()}"


async def _all(messages):
    return [message async for message in messages]


def test_a_description_comes_with_maps_and_the_pairs_of_words(seeing_studio):
    found = run(seeing.describe(seeing_studio, ANNA, url(), PROMPT.split()))
    (word,) = found["words"]
    assert (found["error"], found["text"], found["known"], found["alike"]) == ("", "apples", 0.75, [[2, 0]])
    assert (word["text"], word["span"], word["map"]) == ("apples", [0, 6], [[0.16667] * 3] * 2)
    json.dumps(found)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (None, "there is no picture"),
        (7, "the image is no PNG, JPEG or WebP"),
        ("data:image/png;base64,AAAA", "not an image that can be read"),
        ("data:image/svg+xml;base64,AAAA", "the image is no PNG, JPEG or WebP"),
        ("data:image/png;base64," + "A" * (23 * 2**20), "at most 16,777,216"),
    ],
)
def test_what_is_no_picture_is_refused(seeing_studio, image, said):
    assert said in run(seeing.describe(seeing_studio, ANNA, image))["error"]
    assert said in run(seeing.ask(seeing_studio, ANNA, image, "what is there?"))["error"]
    (message,) = run(_all(seeing.check(seeing_studio, ANNA, {"image": image, "prompt": PROMPT})))
    assert said in message["error"]


@pytest.mark.parametrize("words", [None, "apple", [1], ["a" * 3_000]])
def test_words_that_are_none_pair_with_nothing(seeing_studio, words):
    assert run(seeing.describe(seeing_studio, ANNA, url(), words))["alike"] == []


def test_a_question_that_cannot_be_read_gets_examples(seeing_studio):
    found = run(seeing.ask(seeing_studio, ANNA, url(), "why?"))
    assert found["error"] == "'why?' is no question"
    assert "how many stars are there?" in found["examples"]
    assert "type a question" in run(seeing.ask(seeing_studio, ANNA, url(), " "))["error"]


def test_a_check_tells_how_far_it_is_and_is_that_of_the_pipeline(seeing_studio, pipe):
    image = Image.open(io.BytesIO(base64.b64decode(url().partition(",")[2])))
    *before, last = run(_all(seeing.check(seeing_studio, ANNA, {"image": url(), "prompt": PROMPT})))
    shares = [message["share"] for message in before]
    assert before and shares == sorted(shares) and last["share"] == 1
    assert all(message["model"] is None and message["describer"]["mean"] == 0.25 for message in before)
    want = pipe.check(image, PROMPT).to_dict()
    assert [word["word"] for word in last["model"]["words"]] == ["red", "apple"]
    for got, word in zip(last["model"]["words"], want["words"], strict=True):
        assert got["score"] == pytest.approx(word["score"], abs=0.02)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompt": "a " * 41}, "the prompt has 41 words; at most 40 are checked here"),
        ({"prompt": "a" * 3_000}, "the prompt has 3,000 characters"),
        ({"prompt": PROMPT, "model": "other"}, "unknown model 'other'"),
        ({"prompt": ["a"]}, "prompt is ['a']; must be text"),
        ({"prompt": PROMPT, "settings": {"width": 4_000, "height": 64}}, "width is 4000; at most 1024"),
    ],
)
def test_a_check_that_is_too_much_is_refused(seeing_studio, asked, said):
    (message,) = run(_all(seeing.check(seeing_studio, ANNA, {"image": url(), **asked})))
    assert said in message["error"]


def test_drawing_goes_on_during_checks_and_ends_the_visitors_own(seeing_studio):
    async def act():
        asked = {"image": url(), "prompt": "a red apple and a blue car on a green background"}
        mine, other = (
            asyncio.create_task(_all(seeing.check(seeing_studio, v, asked))) for v in (ANNA, Visitor("b"))
        )
        while len(seeing_studio.checks._jobs) < 2:
            await asyncio.sleep(0.01)
        request = GenerationRequest(prompt=PROMPT, num_steps=4)
        ticket = Ticket(ANNA, "default", "", request, lambda: None)
        seeing_studio.submit([ticket])
        while not ticket.is_over:
            await asyncio.sleep(0.01)
        return ticket.state, (await mine)[-1], (await other)[-1]

    state, mine, other = run(act())
    assert state == "done"
    assert mine["error"] == "the check was stopped" and mine["model"] is None
    assert other["error"] == "" and len(other["model"]["words"]) == 5


def test_a_check_without_a_reader_waits_and_a_broken_one_says_so(seeing_studio, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError(PROMPT)
        yield 0.0

    monkeypatch.setattr(seeing, "checking", broken)
    found = run(_all(seeing.check(seeing_studio, ANNA, {"image": url(), "prompt": PROMPT})))[-1]
    assert "an error in the server" in found["error"] and PROMPT not in caplog.text
    monkeypatch.setattr(seeing_studio.checks, "_is_here", lambda session: False)
    job = seeing.CheckJob(ANNA, broken(), lambda: None)
    seeing_studio.checks.add(job)
    assert not seeing_studio.checks.has_next()
    seeing_studio.leave(ANNA)
    assert job.error == "the check was stopped"


def test_few_wait_for_the_describer_and_it_is_loaded_once():
    loaded, go = [], threading.Event()

    def load():
        loaded.append(threading.current_thread().name)
        go.wait(20)
        return FakeDescriber()

    describing = Describing(Limits(max_describing=3, max_describing_per_address=2), load)

    async def act():
        def one(host):
            return describing.run(Visitor(host, address=host), lambda describer: type(describer))

        tasks = [asyncio.create_task(one(host)) for host in ("a", "a", "b")]
        await asyncio.sleep(0.05)
        for host, said in (("a", "2 pictures of yours"), ("c", "3 of all")):
            with pytest.raises(QueueFull, match=said):
                await one(host)
        assert not any(task.done() for task in tasks)
        go.set()
        found = await asyncio.gather(*tasks)
        return found, await one("a")

    try:
        began = time.monotonic()
        found, later = run(act())
        assert {*found, later} == {FakeDescriber} and time.monotonic() - began < 10
        assert len(loaded) == 1 and loaded[0].startswith("studio-describer")
    finally:
        go.set()
        describing.close()
