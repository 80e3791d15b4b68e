"""The atoms of a prompt as questions, and their chances."""

import pytest
from PIL import Image

from limelight.pipeline.describer.default import DefaultDescriber
from limelight.pipeline.reading.described_check import atoms_of, check_by_describer

PROMPT = "Two red cars to the left of an orange fox on a grey background"


@pytest.fixture(scope="module")
def describer() -> DefaultDescriber:
    return DefaultDescriber.from_pretrained()


def asked(prompt: str, describer: DefaultDescriber) -> list[tuple[str, str, str, str]]:
    return [
        (
            atom.group,
            prompt[slice(*atom.span)],
            " ".join(token.word for token in atom.question.tokens),
            atom.answer,
        )
        for atom in atoms_of(prompt, describer.words)
    ]


def test_each_atom_of_a_prompt_is_a_question(describer: DefaultDescriber) -> None:
    assert asked(PROMPT, describer) == [
        ("counts", "Two", "how many cars", "two"),
        ("colours", "red", "is there a red car", "yes"),
        ("things", "cars", "is there a car", "yes"),
        ("relations", "to the left of", "is the car left of the fox", "yes"),
        ("colours", "orange", "is there an orange fox", "yes"),
        ("things", "fox", "is there a fox", "yes"),
        ("places", "grey", "what colour is the background", "gray"),
    ]


@pytest.mark.parametrize(
    ("prompt", "groups"),
    [
        ("a photo of Rome", []),
        ("", []),
        ("red", []),  # of no thing, and not said of the background
        ("on a red background", ["places"]),
        ("a car and a fox", ["things", "things"]),
        ("a car with a car", ["things", "things"]),
        ("cars, blue background", ["things", "places"]),
        ("a zebra on the car", ["things"]),
    ],
)
def test_what_the_describer_does_not_know_is_left_out(
    prompt: str, groups: list[str], describer: DefaultDescriber
) -> None:
    assert [group for group, *_ in asked(prompt, describer)] == groups


def test_every_word_of_an_atom_can_be_read(describer: DefaultDescriber) -> None:
    for atom in atoms_of(PROMPT, describer.words):
        assert {token.word for token in atom.question.tokens} <= set(describer.words.tokens)
        assert atom.answer in describer.words.tokens


def test_a_picture_of_another_world_is_not_checked(describer: DefaultDescriber) -> None:
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    assert check_by_describer(describer, noise, PROMPT) is None
