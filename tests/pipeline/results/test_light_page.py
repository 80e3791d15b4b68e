"""A file that shows words and steps, contains no code of users, and makes no network request."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.results.light_page import light_page, word_maps
from limelight.pipeline.results.result import Result

PROMPT = "a </script><script>alert('$title')</script> red car & \"car\""


@pytest.fixture(scope="module")
def result(sd_folder: Path) -> Result:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    return pipe(PROMPT, seed=3, num_steps=3, record="site", width=48, height=32)


@pytest.fixture(scope="module")
def page(result: Result) -> str:
    assert result.maps is not None
    return light_page(result, result.maps, [0, 2])


def test_maps_are_those_of_each_step_and_of_all(result: Result, page: str) -> None:
    maps = result.maps
    assert maps is not None
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data = json.loads(found[1])
    assert data["words"] == [word.text for word in maps.words()]
    assert (data["steps"], data["count"]) == ([0, 2], 3)
    levels = np.frombuffer(base64.b64decode(data["maps"]), np.uint8).astype(float)
    levels = levels.reshape(3, len(data["words"]), data["rows"], data["columns"])
    expected = np.stack([word_maps(each).numpy() for each in (maps.step(0), maps.step(2), maps)])
    assert np.abs(levels / 255 - expected / expected.max()).max() <= 0.5 / 255 + 1e-6
    assert data["words"][data["first"]] == data["words"][int(expected[2].max((1, 2)).argmax())]


def test_user_text_is_escaped(page: str) -> None:
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert('$title')" not in re.sub(r"<(title|h1)>.*?</\1>|alt=\"[^\"]*\"", "", page)
    assert "&lt;/script&gt;" in page


def test_it_makes_no_network_requests(page: str) -> None:
    assert not re.search(r"https?://|//[a-z]|@import|url\(", re.sub(r"base64,[\w+/=]+", "", page))
    assert "default-src 'none'" in page
