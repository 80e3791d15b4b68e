"""`--mask-word`: what is drawn again is what the word names, and everything else stays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from limelight.app.commands.word_mask import WordMask
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import UsageError

PROMPT = "a red apple to the left of a yellow star"


@pytest.mark.parametrize(
    ("word", "fields", "said"),
    [
        (" ", {"image": "a.png"}, "mask-word is empty"),
        ("apple", {}, "give the image by --image FILE"),
        ("apple", {"image": "a.png", "mask": "b.png"}, "both given"),
    ],
)
def test_what_does_not_go_together_is_refused(word: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        WordMask.of(word, fields, Path("x.png"), 1)


def test_the_mask_is_saved_next_to_the_pictures(tmp_path: Path) -> None:
    fields = {"image": tmp_path / "a.png"}
    assert WordMask.of("star", fields, tmp_path / "b.png", 1).path == tmp_path / "b-mask.png"
    assert WordMask.of("star", fields, tmp_path, 1).path == tmp_path / "mask.png"
    assert WordMask.of("star", fields, tmp_path / "new", 2).path == tmp_path / "new" / "mask.png"


def test_only_the_words_part_is_drawn_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    result = pipe(PROMPT, seed=4, num_steps=8)
    path = result.save(tmp_path / "a.png")
    find = WordMask.of("star", {"image": path}, tmp_path / "b.png", 1)
    assert find.prompt == PROMPT  # from the file's record
    assert WordMask.of("car", {"image": path}, tmp_path / "b.png", 1).prompt == "car"
    request = GenerationRequest(prompt="a red apple and a green tree", image=path, seed=1, num_steps=4)
    (completed,) = find(pipe, [request.opened()])
    mask = np.asarray(Image.open(tmp_path / "b-mask.png")) == 255
    assert f"'star' is found in {mask.mean():.0%} of the picture" in capsys.readouterr().out
    again = np.asarray(pipe(completed).image).astype(int)
    changed = np.abs(again - np.asarray(result.image)).max(-1) > 40
    assert changed[mask].mean() > 0.1
    assert changed[:, :24].mean() < 0.05  # the apple, to the left
