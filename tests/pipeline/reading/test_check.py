"""The denoiser decides which words of a prompt fit a picture."""

import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.reading.check import Atom, Check, check, group_of, losses_of, others_of
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
    assert list(scores) == ["red", "apple", "yellow", "star"]
    assert min(scores.values()) > 0.9
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


def test_plurals_are_compared_with_plurals(pipe: TextToImagePipeline) -> None:
    request = GenerationRequest(prompt="three stars and a fish")
    stars, fish = Word("stars", (6, 11), ()), Word("fish", (18, 22), ())
    assert [group_of(word, pipe.model) for word in (stars, fish)] == ["nouns", "nouns"]
    plurals = pipe.model.vocabulary.plurals
    for other in others_of(stars, "nouns", request, pipe.model):
        assert other.split()[1] in plurals.values() and other.split()[1] != "stars"
    for other in others_of(fish, "nouns", request, pipe.model):
        assert other.split()[-1] in plurals  # "a" stands before it


def test_a_loss_is_the_error_of_the_prediction(pipe: TextToImagePipeline, picture: Image.Image) -> None:
    """Of equal prompts it is the same, and it does not depend on what is compared with."""
    request = GenerationRequest(prompt=PROMPT, image=picture, seed=1).opened()
    both = losses_of(pipe.engine, request, [PROMPT, PROMPT])
    torch.testing.assert_close(both[0], both[1], rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses_of(pipe.engine, request, [PROMPT])[0], both[0], rtol=1e-4, atol=1e-6)
    assert (both[0] > 0).all()
    assert both[0].max() < 1  # a prediction of 0 would have about the variance of v: 1


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
