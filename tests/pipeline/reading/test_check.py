"""The denoiser decides which words of a prompt fit a picture."""

from collections.abc import Generator

import pytest
import torch
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.reading.check import Atom, Check, check
from limelight.pipeline.reading.losses import NOISES, losses_of, noised
from limelight.pipeline.text.encoder import Word

PROMPT = "a red apple to the left of a yellow star"


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu", max_rows=16)


@pytest.fixture(scope="module")
def picture(pipe: TextToImagePipeline) -> Image.Image:
    return pipe(PROMPT, seed=4, num_steps=10).image


def test_words_that_are_drawn_fit_and_others_do_not(pipe: TextToImagePipeline, picture: Image.Image) -> None:
    scores = {atom.word.text: atom.score for atom in pipe.check(picture, PROMPT).atoms}
    assert list(scores) == ["red", "apple", "to the left of", "yellow", "star"]
    assert min(scores.values()) > 0.9
    turned = pipe.check(picture, PROMPT.replace("left", "right")).atoms[2]
    assert turned.word.text == "to the right of" and turned.score < 0.1
    wrong = {atom.word.text: atom for atom in pipe.check(picture, "a green apple and a red key").atoms}
    assert wrong["green"].score < 0.1
    assert wrong["key"].score < scores["star"]
    assert (wrong["green"].group, wrong["key"].group) == ("colours", "nouns")


def test_a_large_image_is_checked_near_the_models_own_size(
    pipe: TextToImagePipeline, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def seen(_: object, request: GenerationRequest) -> Check:
        sizes.append((request.width, request.height))
        return Check(())

    monkeypatch.setattr("limelight.pipeline.reading.check.check", seen)
    side = picture.width
    for size in ((side, side), (side * 3 // 2, side * 9 // 8), (8 * side, 8 * side), (4000, 3000)):
        pipe.check(picture.resize(size), PROMPT)
    assert sizes == [
        (side, side),
        (side * 3 // 2, side * 9 // 8),
        (side, side),
        pipe.model.size_for((4000, 3000)),
    ]


def test_a_loss_is_the_error_of_the_prediction(pipe: TextToImagePipeline, picture: Image.Image) -> None:
    """Of equal prompts it is the same, and it does not depend on what is compared with."""
    seen = noised(pipe.engine, GenerationRequest(prompt=PROMPT, image=picture, seed=1).opened())
    for level in (0, 1):
        both = losses_of(seen, [PROMPT, PROMPT], level)
        torch.testing.assert_close(both[0], both[1], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(losses_of(seen, [PROMPT], level)[0], both[0], rtol=1e-4, atol=1e-6)
        assert (both[0] > 0).all()
        assert both[0].max() < 1  # a prediction of 0 would have about the variance of v: 1


def test_what_the_first_level_decides_is_not_seen_at_the_second(
    pipe: TextToImagePipeline, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def seen(_: object, prompts: list[str], level: int) -> Generator[int, None, Tensor]:
        """Others in the place of "red" are worse with each noise; in the place of "apple", with some of
        the first level and all of the second, one of them less than the other."""
        asked.append(prompts)
        yield 1
        better = torch.zeros(len(prompts), NOISES)
        for at, each in enumerate(prompts[1:], 1):
            if each.startswith("a red "):
                better[at] = torch.tensor([0.1, -0.1, 0.1, -0.1]) + 0.05 * at if level == 0 else 0.2
            else:
                better[at] = torch.tensor([0.1, 0.1, 0.1, 0.11])
        return 1 + better

    monkeypatch.setattr("limelight.pipeline.reading.check.losses", seen)
    found = check(pipe.engine, GenerationRequest(prompt="a red apple", image=picture).opened())
    first, second = asked
    assert len(first) == 5 and second == [first[0], first[3]]
    assert [atom.word.text for atom in found.atoms] == ["red", "apple"]
    assert found.atoms[0].score == pytest.approx(1)
    better = torch.tensor([0.25, 0.05, 0.25, 0.05, 0.2, 0.2, 0.2, 0.2])
    errors = better.mean() / (better.std() / 8**0.5)
    assert found.atoms[1].score == pytest.approx(float(torch.special.ndtr(errors)), abs=1e-5)


def test_means_are_arithmetic_and_geometric() -> None:
    atoms = tuple(Atom(Word("x", (0, 1), (1,)), "", score) for score in (0.25, 1.0))
    assert Check(atoms).mean == pytest.approx(0.625)
    assert Check(atoms).geometric_mean == pytest.approx(0.5)
    assert Check(()).mean == Check(()).geometric_mean == 1.0


def test_without_a_vocabulary_a_word_is_left_out(sd_folder, picture: Image.Image) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    found = pipe.check(picture, "a castle at dusk")
    assert [(atom.word.text, atom.group) for atom in found.atoms] == [("castle", ""), ("dusk", "")]
    assert all(0 <= atom.score <= 1 for atom in found.atoms)


def test_pictures_that_cannot_be_checked_are_refused(pipe: TextToImagePipeline) -> None:
    with pytest.raises(RequestError, match="image is missing"):
        check(pipe.engine, GenerationRequest(prompt=PROMPT))
    with pytest.raises(RequestError, match="no such file"):
        pipe.check("no such file.png", PROMPT)
