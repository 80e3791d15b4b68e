"""The local blend of an edit, and the weights of its words: what stays, what is recorded, what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.edits.blend import Blend, blended
from limelight.pipeline.text.align import align
from limelight.pipeline.text.encoder import words_of
from tests.pipeline.stock import largest_difference

BASE, EDIT = "an apple and a dog", "an apple and a cat"
FLAT = (0.97, 0.2)  # the maps of random networks are flat, so the threshold is high


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": EDIT, "edit_of": BASE, "seed": 3, "num_steps": 5, "width": 32, "height": 24}
    return GenerationRequest(**(given | fields))


@pytest.fixture
def last(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The latents of base and edit after the last step, and the mask that joined them."""
    found: dict[str, Tensor] = {}
    of_base, of_edit = Blend.of_base, Blend.of_edit

    def base(blend: Blend, step: int, x: Tensor) -> None:
        found["base"] = x
        of_base(blend, step, x)

    def edit(blend: Blend, step: int, x: Tensor) -> Tensor:
        found["edit"], found["before"] = of_edit(blend, step, x), x
        found["mask"] = blend.mask((x.shape[2], x.shape[3]))
        return found["edit"]

    monkeypatch.setattr(Blend, "of_base", base)
    monkeypatch.setattr(Blend, "of_edit", edit)
    return found


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scheduler": "euler-a"},
        {"scheduler": "heun"},
        {"scheduler": "dpmpp-2m"},
        {"blend": (0.97, 1.0)},
        {"hires_scale": 1.5},
        {"lossy_cache_interval": 2},
        {"guidance_scale": 1.0},
    ],
    ids=str,
)
def test_outside_the_words_the_latent_has_the_bits_of_the_base(
    sd: TextToImagePipeline, last: dict[str, Tensor], fields: dict[str, Any]
) -> None:
    result = sd(request(**({"blend_words": ("cat",), "blend": FLAT} | fields)))
    mask = last["mask"]
    assert 0 < mask.float().mean() < 1
    assert result.latent is not None and torch.equal(result.latent, last["edit"])
    assert torch.equal(result.latent[..., ~mask], last["base"][..., ~mask])
    assert torch.equal(result.latent[..., mask], last["before"][..., mask])
    assert not torch.equal(result.latent[..., mask], last["base"][..., mask])
    assert result.maps is None and result.base_maps is None  # recorded for the blend alone


def test_a_change_of_the_callers_comes_before_the_blend(
    sd: TextToImagePipeline, last: dict[str, Tensor]
) -> None:
    steps = list(
        sd.stream([request(blend_words=("cat",), blend=FLAT)], change=lambda id, step, x: torch.ones_like(x))
    )
    result, mask = steps[-1].result, last["mask"]
    assert result is not None and result.latent is not None
    assert (result.latent[..., mask] == 1).all() and not (result.latent[..., ~mask] == 1).any()
    assert torch.equal(result.latent[..., ~mask], last["base"][..., ~mask])


def test_a_blended_picture_is_the_same_in_any_company_and_from_its_record(
    sd: TextToImagePipeline, tmp_path: Path
) -> None:
    asked = request(blend_words="dog", blend=FLAT, scale_words={"cat": 2.5}, record="grid")
    other = request(prompt="a cat", edit_of="a dog", seed=9)
    together = sd([other, asked])
    for result, each in zip(together, [other, asked], strict=True):
        assert largest_difference(result.image, sd(each).image) <= 1
    stored = read_record(together[1].save(tmp_path / "a.png"))
    assert stored["request"]["blend_words"] == ["dog"] and stored["request"]["blend"] == [0.97, 0.2]
    assert stored["request"]["scale_words"] == [{"word": "cat", "scale": 2.5}]
    again = request_of(stored)
    assert again == together[1].request
    assert largest_difference(sd(again).image, together[1].image) <= 1


def test_both_pictures_have_their_maps(sd: TextToImagePipeline) -> None:
    result = sd(request(record="grid"))
    assert result.maps is not None and result.base_maps is not None
    assert [word.text for word in result.base_maps.words()] == BASE.split()
    alone = sd(request(prompt=BASE, edit_of=None, record="grid"))
    assert alone.maps is not None
    assert (alone.maps.word("dog") - result.base_maps.word("dog")).abs().max() <= 1e-5
    assert result.base_maps.num_steps == result.maps.num_steps == 5


def test_a_word_brings_the_one_in_its_place_along(sd: TextToImagePipeline) -> None:
    base, edit = sd.model.text.prompt(BASE), sd.model.text.prompt("a big apple and a cat")
    alignment = align(BASE, base, "a big apple and a cat", edit)
    words = words_of(BASE, base.tokens), words_of("a big apple and a cat", edit.tokens)
    dog, cat = words[0][-1].tokens, words[1][-1].tokens
    assert blended("dog", words, alignment) == blended("cat", words, alignment) == (list(dog), list(cat))
    assert blended("big", words, alignment)[1] == list(words[1][1].tokens)
    with pytest.raises(NoSuchMap, match="the prompt has no word 'pear'"):
        blended("pear", words, alignment)


def test_a_weight_of_1_changes_no_bit_and_one_without_an_edit_is_the_same(sd: TextToImagePipeline) -> None:
    plain = request(prompt=BASE, edit_of=None)
    one = request(prompt=BASE, edit_of=None, scale_words={"dog": 1.0})
    assert largest_difference(sd(plain).image, sd(one).image) <= 1
    scaled = request(prompt=BASE, edit_of=None, scale_words="dog=4")
    alone, edited = sd(scaled), sd(request(prompt=BASE, scale_words="dog=4", keep=(0, 0)))
    assert largest_difference(alone.image, sd(plain).image) > 1
    assert largest_difference(alone.image, edited.image) <= 1
    assert edited.info["edit"] == []


def test_maps_show_the_weight(sd: TextToImagePipeline) -> None:
    fields: dict[str, Any] = {"prompt": BASE, "edit_of": None, "num_steps": 1, "record": "grid"}
    plain, scaled = sd(request(**fields)), sd(request(**fields, scale_words={"dog": 3.0}))
    assert plain.maps is not None and scaled.maps is not None
    factors = (scaled.maps.raw.step(0).probabilities() / plain.maps.raw.step(0).probabilities()).mean((1, 2))
    expected = torch.ones(len(factors))
    expected[[token for word in plain.maps.words() if word.text == "dog" for token in word.tokens]] = 3
    assert (factors - expected).abs().max() <= 0.01  # later sites see other queries


def test_columns_of_a_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "prompt,seed,edit_of,blend_words,blend,scale_words\n"
        f'{EDIT},3,{BASE},cat|dog,"0.4,0.1",cat=2|apple=0.5\n'
        f'{EDIT},3,{BASE},cat,,"{{""cat"": 2}}"\n'
    )
    first, second = (row.request() for row in read_rows(manifest).rows)
    assert (first.blend_words, first.blend) == (("cat", "dog"), (0.4, 0.1))
    assert [(each.word, each.scale) for each in first.scale_words] == [("cat", 2), ("apple", 0.5)]
    assert (second.blend_words, second.blend) == (("cat",), (0.3, 0.2))
    assert [(each.word, each.scale) for each in second.scale_words] == [("cat", 2)]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"blend_words": ("pear",)}, "blend_words has 'pear', which neither prompt has; their words are an"),
        ({"blend_words": ("dog cat",)}, "blend_words has 'dog cat', which neither prompt has"),
        ({"blend_words": ("",)}, "blend_words has ''; must be words of a prompt"),
        ({"blend_words": 5}, "blend_words is 5; must be a tuple or a list"),
        ({"blend_words": ("cat",), "edit_of": None}, "blend_words are given and edit_of is not"),
        ({"blend": (2, 0)}, "threshold of blend is 2; must be from 0 to 1"),
        ({"scale_words": {"pear": 2}}, "scale_words has 'pear', which the prompt does not have"),
        ({"scale_words": {"cat": 11}}, "the scale of the word 'cat' is 11; must be from -10 to 10"),
        ({"scale_words": "cat"}, "'cat' cannot be read; write WORD=SCALE"),
        ({"scale_words": "cat=big"}, "'cat=big': scale is 'big'; must be a number"),
        ({"scale_words": {"cat": "2"}}, "the scale of the word 'cat' is '2'; must be a finite number"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**fields)
    assert words in str(refusal.value)
