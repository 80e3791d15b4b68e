"""The notebook view of a result, and plots of its maps."""

import sys
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageChops

from limelight import GenerationRequest, Result, TextToImagePipeline, UsageError
from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.results.sheet import LitWord
from limelight.pipeline.results.widget import light_widget
from limelight.pipeline.text.encoder import Word


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


@pytest.fixture(scope="module")
def result(pipe: TextToImagePipeline) -> Result:
    return pipe("a red apple", num_steps=2, seed=3, record="grid")


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_notebook_shows_the_picture(result: Result) -> None:
    shown = Image.open(BytesIO(result._repr_png_()))
    assert shown.format == "PNG"
    assert shown.size == (256, 256)
    small = shown.resize(result.image.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, float) - np.asarray(result.image, float)).mean() < 3


def test_with_maps_a_notebook_shows_the_words_too(result: Result, pipe: TextToImagePipeline) -> None:
    tags = Tags(result._repr_html_() or "")
    images = [attributes for tag, attributes in tags.all if tag == "img"]
    assert [image["alt"] for image in images] == [
        "the picture",
        *(f"where {w} acted" for w in ("a", "red", "apple")),
    ]
    assert all((image["src"] or "").startswith("data:image/webp;base64,") for image in images)
    buttons = [attributes for tag, attributes in tags.all if tag == "input"]
    assert ["checked" in button for button in buttons].count(True) == 1
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags.all}
    assert pipe("a cat", num_steps=1)._repr_html_() is None  # the PNG is shown


def test_two_results_on_a_page_are_independent(result: Result) -> None:
    names = [
        {attributes["name"] for tag, attributes in Tags(result._repr_html_() or "").all if tag == "input"}
        for _ in range(2)
    ]
    assert len(names[0]) == len(names[1]) == 1 and names[0] != names[1]


def test_words_are_shown_as_text() -> None:
    lit = LitWord(Word('<b>"&', (0, 0), ()), torch.ones(2, 2), 1.0)
    shown = Tags(light_widget(Image.new("RGB", (8, 8)), [lit], id="x"))
    assert "b" not in {tag for tag, _ in shown.all} and '<b>"&' in shown.text
    assert shown.all[4][1]["alt"] == 'where <b>"& acted'


def test_the_html_is_small(pipe: TextToImagePipeline) -> None:
    long = pipe("a red apple and " * 40, num_steps=1, record="grid").maps
    assert long is not None and len(long._repr_html_() or "") < 1_000_000
    assert light_widget(Image.new("RGB", (8, 8)), [], id="x").count("<img") == 1


def test_maps_of_a_picture_that_is_not_finished_draw_nothing(pipe: TextToImagePipeline) -> None:
    step = next(iter(pipe.stream([GenerationRequest(prompt="a cat", num_steps=2, record="grid")])))
    assert step.maps is not None and step.maps._repr_html_() is None
    with pytest.raises(NoSuchMap, match="the picture is not finished"):
        step.maps.plot()


def test_a_plot_shows_the_picture_and_the_words_that_are_asked_for(result: Result) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    assert result.maps is not None
    figure = result.maps.plot("apple", "red apple")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["the picture", "apple", "red apple"]
    assert figure.number not in pyplot.get_fignums()  # else a notebook would show it twice
    lit = figure.axes[1].get_images()[0].get_array()
    assert np.array_equal(np.asarray(lit)[..., :3], np.asarray(_on_scale_of(result, "apple", "red apple")))
    everything = [axes.get_title() for axes in result.maps.plot().axes if axes.get_title()]
    assert everything == ["the picture", "a", "red", "apple"]
    with pytest.raises(NoSuchMap, match="no word 'pear'"):
        result.maps.plot("pear")


def _on_scale_of(result: Result, word: str, brightest: str) -> Image.Image:
    from limelight.pipeline.enlarging.view import enlarged_to
    from limelight.pipeline.results.overlay import overlay

    assert result.maps is not None
    return overlay(
        enlarged_to(result.image, 256), result.maps.word(word), float(result.maps.word(brightest).max())
    )


def test_without_matplotlib_a_plot_says_what_to_do(result: Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert result.maps is not None
    with pytest.raises(UsageError, match=r"pip install matplotlib, or take maps.sheet\(\)"):
        result.maps.plot()


def test_the_light_of_two_words_is_brighter_than_that_of_one(result: Result) -> None:
    assert result.maps is not None
    both, one = result.maps.overlay("red apple"), result.maps.overlay("apple")
    assert ImageChops.difference(both, one).getbbox() is not None
    assert both.size == one.size == (256, 256)


def test_reprs_are_short(result: Result, pipe: TextToImagePipeline) -> None:
    width, height = result.image.size
    assert repr(result.maps) == f"HeatMaps('a red apple', {width}x{height}, 2 predictions)"
    assert repr(result) == f"Result('a red apple', seed 3, {width}x{height}, maps)"
    assert repr(pipe) == "TextToImagePipeline('default', limelight, cpu, float32)"


@pytest.mark.parametrize(
    "fields", [{}, {"seed": 3, "num_steps": 4, "record": "grid"}, {"negative_prompt": "it's", "width": 64}]
)
def test_the_repr_of_a_request_makes_it_again(fields: dict[str, Any]) -> None:
    request = GenerationRequest(prompt="a red apple", **fields)
    assert eval(repr(request)) == request
    assert repr(GenerationRequest(prompt="a")) == "GenerationRequest(prompt='a')"
