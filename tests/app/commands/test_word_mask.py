"""`--mask-word`: the region of the word is drawn again, and everything else stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limelight.app.commands.word_mask import WordMask
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import UsageError
from tests.default_model import SIDE, UNKNOWN

PROMPT = "a red apple to the left of a yellow star"


@pytest.mark.parametrize(
    ("word", "change", "fields", "said"),
    [
        (" ", None, {"image": "a.png"}, "mask-word is ' '; name what is drawn again: --mask-word apple"),
        ("", None, {"image": "a.png"}, "mask-word is ''; name what is drawn again: --mask-word apple"),
        ("apple", None, {}, "mask-word finds a word in an image; give the image by --image FILE"),
        ("apple", None, {"image": "a.png", "mask": "b.png"}, "mask and mask-word are both given"),
        (
            "apple",
            None,
            {"image": "a.png", "padding_mask_crop": 8},
            "padding_mask_crop and mask-word are both given; draw with mask-word first",
        ),
        ("apple", "apple->pear", {"image": "a.png"}, "mask-word and mask-change are both given"),
        (None, "apple", {"image": "a.png"}, "mask-change is 'apple'; name what is drawn again"),
        (None, "->pear", {"image": "a.png"}, 'name what is drawn again: --mask-change "apple->pear"'),
        (None, "apple-> ", {"image": "a.png"}, "name what is drawn again"),
        (None, "apple->pear", {}, "mask-change finds a word in an image"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    word: str | None, change: str | None, fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        WordMask.of(word, change, fields, Path("x.png"), 1)


def of_word(word: str, image: Path, output: Path, count: int = 1) -> WordMask:
    made = WordMask.of(word, None, {"image": image}, output, count)
    assert made is not None
    return made


def test_the_mask_is_saved_next_to_the_pictures(tmp_path: Path) -> None:
    image = tmp_path / "a.png"
    assert WordMask.of(None, None, {"image": image}, tmp_path, 1) is None
    assert of_word("star", image, tmp_path / "b.png").path == tmp_path / "b-mask.png"
    assert of_word("star", image, tmp_path).path == tmp_path / "mask.png"
    assert of_word("star", image, tmp_path / "new", 2).path == tmp_path / "new" / "mask.png"


def test_only_the_region_of_the_word_is_drawn_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    result = pipe(PROMPT, seed=4, num_steps=8)
    path = result.save(tmp_path / "a.png")
    find = of_word("star", path, tmp_path / "b.png")
    assert find.prompt == PROMPT  # from the file's record
    assert of_word("car", path, tmp_path / "b.png").prompt == "car"
    request = GenerationRequest(prompt="a red apple and a green tree", image=path, seed=1, num_steps=4)
    (completed,) = find(pipe, [request.opened()])
    mask = np.asarray(Image.open(tmp_path / "b-mask.png")) == 255
    printed = capsys.readouterr()
    assert f"'star' is found in {mask.mean():.0%} of the picture" in printed.out
    assert printed.err == ""
    again = np.asarray(pipe(completed).image).astype(int)
    apart = np.abs(again - np.asarray(result.image)).max(-1)
    assert (apart[mask] > 40).mean() > 0.1
    assert apart[~mask].max() == 0
    assert not mask[:, : SIDE * 3 // 8].any()  # the apple, to the left


def test_the_mask_lies_on_the_thing_that_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    path = pipe(PROMPT, seed=4, num_steps=8).save(tmp_path / "a.png")
    find = WordMask.of(None, "Apple -> car", {"image": path}, tmp_path / "b.png", 1)
    assert find is not None and (find.word, find.other) == ("Apple", "car")
    request = GenerationRequest(prompt="a red car", image=path, seed=1)
    find(pipe, [request.opened()])
    mask = np.asarray(Image.open(tmp_path / "b-mask.png")) == 255
    assert np.nonzero(mask)[1].mean() < 0.45 * mask.shape[1]  # the apple is to the left
    said, noted = capsys.readouterr()
    assert f"'a red car to the left of a yellow star' would change {mask.mean():.0%}" in said
    assert noted == ""


@pytest.mark.parametrize("word", ["car", "blue apple", "blue background", "stars", "red", "yellow"])
def test_a_word_that_the_picture_does_not_show_is_noted(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    path = pipe(PROMPT, seed=4, num_steps=8).save(tmp_path / "a.png")
    request = GenerationRequest(prompt="a red car", image=path, seed=1)
    of_word(word, path, tmp_path / "b.png")(pipe, [request.opened()])
    note = f"limelight: the picture may not show {word!r}; the mask is where it is likeliest\n"
    assert capsys.readouterr().err == ("" if word in ("stars", "red", "yellow") else note)


def test_a_picture_of_another_world_gets_no_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe, path = TextToImagePipeline.from_pretrained("default", device="cpu"), tmp_path / "a.png"
    Image.effect_noise((SIDE, SIDE), 90).convert("RGB").save(path)
    request = GenerationRequest(prompt="a red car", image=path, seed=1)
    of_word("car", path, tmp_path / "b.png")(pipe, [request.opened()])
    assert capsys.readouterr().err == ""


def test_a_part_of_a_word_is_not_the_word(tmp_path: Path, pipe: TextToImagePipeline) -> None:
    path = pipe("a carrot on a white background", seed=2, num_steps=2).save(tmp_path / "a.png")
    assert of_word("car", path, tmp_path / "b.png").prompt == "car"
    assert of_word("Carrot", path, tmp_path / "b.png").prompt == "a carrot on a white background"
    find = WordMask.of(None, "car->pear", {"image": path}, tmp_path / "b.png", 1)
    assert find is not None and find.prompt == "car"


def test_a_word_that_the_model_does_not_know_is_refused(tmp_path: Path, pipe: TextToImagePipeline) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (SIDE, SIDE), "red").save(path)
    request = GenerationRequest(prompt="a red car", image=path).opened()
    said = f"'{UNKNOWN}' cannot be found in the image: .* not trained on '{UNKNOWN}'"
    with pytest.raises(UsageError, match=said):
        of_word(UNKNOWN, path, tmp_path / "b.png")(pipe, [request])
    assert not (tmp_path / "b-mask.png").exists()
