"""The pictures of the documentation ask for what the default model knows."""

import pytest

from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.text.vocabulary import Vocabulary
from scripts import draw_gallery, draw_lesson, draw_steering
from scripts.page import example

PROMPTS = [
    *draw_gallery.PROMPTS,
    *(prompt for name, (prompt, _) in draw_lesson.PICTURES.items() if name != "lesson-unknown.png"),
    draw_steering.PROMPT,
    example.REQUEST.prompt,
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_default_model_knows_each_word(prompt: str) -> None:
    vocabulary = Vocabulary.read(DEFAULT_MODEL)
    assert vocabulary is not None
    assert vocabulary.unknown(prompt.replace(",", " ").split()) == ()


def test_each_lit_word_is_in_its_prompt() -> None:
    assert all(word in prompt.split() for prompt, word in draw_gallery.PROMPTS.items())
