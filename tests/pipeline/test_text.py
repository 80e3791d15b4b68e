from pathlib import Path

import pytest
import torch

from pipeline import TextToImagePipeline
from pipeline.text import PromptCut, TextEncoder


@pytest.fixture(scope="module")
def text(sd_folder: Path) -> TextEncoder:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model.text


def test_the_context_is_the_encoders_output(text: TextEncoder) -> None:
    encoder = text.encoders[0]
    ids = encoder.tokenizer("a red apple", padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.inference_mode():
        expected = encoder.model(ids).last_hidden_state[0]
    assert torch.equal(text.prompt("a red apple").context, expected)


def test_every_token_knows_its_characters(text: TextEncoder) -> None:
    prompt = "  A réd\tapple"
    tokens = text.prompt(prompt).tokens
    assert len(tokens) == 77
    assert tokens[0].text == "<|startoftext|>"
    words = "".join(prompt[slice(*token.span)] for token in tokens)
    assert words.replace(" ", "").startswith("Ar")
    spans = [token.span for token in tokens if token.span[0] < token.span[1]]
    assert spans == sorted(spans)


def test_a_prompt_that_does_not_fit_says_which_words_have_no_effect(text: TextEncoder) -> None:
    fits = "x" * 75
    with pytest.warns(PromptCut) as warnings:
        cut = text.prompt(f"{fits} the end")
    assert str(warnings[0].message) == (
        "the prompt has 81 tokens and the text encoder reads 75; without effect: 'the end'"
    )
    assert torch.equal(cut.context, text.prompt(fits).context)


def test_a_prompt_that_fits_exactly_is_not_cut(text: TextEncoder, recwarn: pytest.WarningsRecorder) -> None:
    text.prompt("y" * 75)
    assert not recwarn.list


def test_the_cache_is_bounded_and_returns_what_it_was_given(
    text: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.text.MAX_CACHED_PROMPTS", 2)
    small = TextEncoder(text.encoders)
    first = small.prompt("a")
    assert small.prompt("a") is first
    for other in "bcd":
        small.prompt(other)
    assert len(small._cache) == 2
    assert torch.equal(small.prompt("a").context, first.context)
