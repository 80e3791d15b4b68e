import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.app.ui.actions.api import parameters
from limelight.pipeline.describer.description import Answer, Description, SeenWord
from limelight.pipeline.results.png import read_record
from tests.app.ui.in_time import client_of, in_time
from tests.default_model import SIDE


@pytest.fixture(scope="module")
def client(page_url):
    with client_of(page_url) as client:
        yield client


@pytest.fixture(autouse=True)
def limited():
    with in_time():
        yield


def _image(url: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(url.partition(",")[2]))


def test_a_picture_comes_in_a_stream_and_its_maps_as_numbers(client, pipe):
    fields = {"prompt": "a red apple", "seed": "7", "num_steps": 6, "record": "grid"}
    answers = list(client.submit(**fields, api_name="/generate"))
    last = answers[-1]["pictures"][0]
    assert (last["state"], last["seed"], last["error"]) == ("done", "7", "")
    assert {answer["pictures"][0]["state"] for answer in answers} > {"done"}
    alone = pipe("a red apple", seed=7, num_steps=6, record="grid")
    got = np.asarray(Image.open(_image(last["image"])), np.int16)
    assert np.abs(got - np.asarray(alone.image, np.int16)).max() <= 1
    assert read_record(_image(last["image"]))["request"]["seed"] == 7

    found = client.predict(id=last["id"], grid=16, api_name="/maps")
    assert found["words"] == ["a", "red", "apple"]
    want = alone.maps.grid(16).probabilities()[3].numpy()
    assert np.abs(np.array(found["maps"][2]) - want).max() < 1e-3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"prompt": "a" * 1_000_000}, "the prompt has 1,000,000 characters; at most 2,000 here: shorten it"),
        ({"prompt": "a", "width": 100_000}, "width is 100000; at most 1024 here"),
        ({"prompt": "a", "num_steps": 101}, "steps is 101; at most 100 here"),
        ({"prompt": "a", "count": 1000}, "count is 1000; at most 4 here"),
        ({"prompt": "a", "model": "../../etc"}, "unknown model '../../etc'; valid: default"),
        ({"prompt": "a", "seed": "x"}, "seed is 'x'; must be a whole number"),
        ({"prompt": "a", "lossy_cache_interval": 21}, "lossy_cache_interval is 21; must be from 1 to 20"),
        ({"prompt": "a", "attention_self": "flash"}, "flash"),
        ({"prompt": ["a"]}, "prompt is ['a']; must be text"),
    ],
)
def test_a_refusal_gives_its_reason_and_nothing_is_drawn(client, fields, message):
    (answer,) = list(client.submit(**fields, api_name="/generate"))
    assert message in answer["error"]
    assert answer["pictures"] == []


def test_maps_of_another_client_are_not_found(client, page_url):
    (*_, last) = client.submit(prompt="a", num_steps=2, record="grid", api_name="/generate")
    with client_of(page_url) as other:
        assert "draw it again" in other.predict(id=last["pictures"][0]["id"], api_name="/maps")["error"]
    assert client.predict(id=last["pictures"][0]["id"], api_name="/maps")["error"] == ""


def test_maps_of_an_unknown_picture_get_an_answer(client):
    assert "draw it again" in client.predict(id="nothing", api_name="/maps")["error"]


def test_a_picture_is_described_asked_about_and_checked(client, served, monkeypatch):
    class Describer:
        def describe(self, picture):
            word = SeenWord("apple", (2, 7), torch.eye(2) / 2)
            return Description(f"a apple of {picture.width} pixels", (word,), known=0.9)

        def ask(self, picture, question):
            return Answer(question, "yes", (), (), known=0.9)

    monkeypatch.setattr(served.studio.describing, "_describer", Describer())
    monkeypatch.setattr("limelight.app.ui.actions.seeing.check_by_describer", lambda *_, **__: None)
    (*_, last) = client.submit(prompt="a red apple", seed="7", num_steps=6, api_name="/generate")
    image = last["pictures"][0]["image"]
    found = client.predict(image=image, api_name="/describe")
    word = {"text": "apple", "span": [2, 7], "map": [[0.5, 0], [0, 0.5]]}
    assert found == {"error": "", "text": f"a apple of {SIDE} pixels", "known": 0.9, "words": [word]}
    answer = client.predict(image=image, question="is there an apple?", api_name="/ask")
    assert (answer["text"], answer["asked"], answer["error"]) == ("yes", [], "")
    *_, check = client.submit(image=image, prompt="a red apple", api_name="/check")
    assert check["is_over"] and check["describer"] is None
    assert [each["word"] for each in check["model"]["words"]] == ["red", "apple"]
    assert "no PNG, JPEG or WebP" in client.predict(image="x", api_name="/describe")["error"]


def test_the_describer_in_the_box_reads_a_drawn_picture(client):
    prompt = "a red apple to the left of a blue car"
    (*_, last) = client.submit(prompt=prompt, seed="3", num_steps=25, api_name="/generate")
    image = last["pictures"][0]["image"]
    found = client.predict(image=image, api_name="/describe")
    assert set(prompt.split()) <= set(found["text"].split()) and found["known"] > 0.9
    maps = {word["text"]: np.array(word["map"]) for word in found["words"] if word["map"]}
    left, right = (maps[word].sum(0).argmax() for word in ("apple", "car"))
    assert left < right
    answer = client.predict(image=image, question="what is left of the car?", api_name="/ask")
    assert "apple" in answer["text"]
    for side, there in (("left", "a red apple"), ("right", "a blue car")):
        asked = f"what is on the {side}?"
        assert client.predict(image=image, question=asked, api_name="/ask")["text"] == there


def test_all_are_documented_and_nothing_else_is_offered(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(endpoints) == ["/ask", "/check", "/describe", "/generate", "/maps"]
    assert "Draws a prompt" in endpoints["/generate"]["description"]
    for name, word in (("ask", "question"), ("check", "prompt"), ("describe", "image")):
        taken = endpoints[f"/{name}"]
        assert len(taken["description"]) > 100
        assert word in [each["parameter_name"] for each in taken["parameters"]]


def test_the_documentation_lists_the_parameters_in_order():
    manual = Path("docs/page.md").read_text().partition("`/generate` takes, in this order:")[2]
    listed = re.sub(r"\([^()]*\)", "", manual.partition(". All but")[0]).replace("\n", " ").split(",")
    assert [each.strip() for each in listed] == [each.name for each in parameters()]
