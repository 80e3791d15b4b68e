from pathlib import Path

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.warned import PromptCut


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


def test_a_long_prompt_is_encoded_chunk_by_chunk(text: TextEncoder) -> None:
    first, second = "x" * 75, "the end"
    both = text.prompt(f"{first} {second}")
    assert both.context.shape[0] == 2 * 77
    assert torch.equal(both.context, torch.cat([text.prompt(first).context, text.prompt(second).context]))


def test_a_chunk_ends_at_a_words_end(text: TextEncoder) -> None:
    first, second = "x" * 50, "y" * 40
    split = text.prompt(f"{first} {second}")
    assert torch.equal(split.context, torch.cat([text.prompt(first).context, text.prompt(second).context]))


def test_break_begins_a_chunk(text: TextEncoder) -> None:
    parted = text.prompt("a cat BREAK a dog")
    expected = torch.cat([text.prompt("a cat").context, text.prompt("a dog").context])
    assert torch.equal(parted.context, expected)


def test_spans_lead_back_through_weights_breaks_and_chunks(text: TextEncoder) -> None:
    prompt = r"(red:1.5) apple, \(one\) BREAK " + "[blue] " * 30
    tokens = text.prompt(prompt).tokens
    letters = "".join(prompt[slice(*token.span)] for token in tokens)
    assert letters == "redapple,(one)" + "blue" * 30
    assert {token.weight for token in tokens if "r" in prompt[slice(*token.span)]} == {1.5}


def test_a_too_long_prompt_gets_a_message_about_the_words_without_effect(text: TextEncoder) -> None:
    fits = " ".join(["x" * 75] * 8)
    with pytest.warns(PromptCut) as warnings:
        cut = text.prompt(f"{fits} the end")
    assert str(warnings[0].message) == (
        "the prompt takes 9 chunks of 75 tokens and 8 are read; without effect: 'the end'"
    )
    assert torch.equal(cut.context, text.prompt(fits).context)


def test_weights_move_between_the_empty_prompt_and_beyond(text: TextEncoder) -> None:
    plain, empty = text.prompt("a red apple").context, text.prompt("").context
    at = [token.weight == 1.5 for token in text.prompt("a (red:1.5) apple").tokens]
    weighted = text.prompt("a (red:1.5) apple").context
    torch.testing.assert_close(weighted[at], (empty + 1.5 * (plain - empty))[at])
    assert sum(at) == 3
    assert torch.equal(weighted[~torch.tensor(at)], plain[~torch.tensor(at)])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("a red apple on a table", "a red apple on a table"),
        ("a (red:1.3) apple", "a (red)1.3 apple"),
        ("a (red) ((apple)) on it", "a red+ apple++ on it"),
        ("(a red apple:1.5) on (a table:1.2)", "(a red apple)1.5 on (a table)1.2"),
    ],
)
def test_weights_of_one_and_above_are_those_of_compel(text: TextEncoder, ours: str, theirs: str) -> None:
    """Below one it blends in a prompt without the words, which is another definition."""
    compel = pytest.importorskip("compel")
    encoder = text.encoders[0]
    expected = compel.Compel(tokenizer=encoder.tokenizer, text_encoder=encoder.model)(theirs)[0]
    found = text.prompt(ours)
    end = 1 + max(i for i, token in enumerate(found.tokens) if token.span[1])  # it masks the padding
    torch.testing.assert_close(found.context[: end + 1], expected[: end + 1])


def test_weights_of_one_change_nothing(text: TextEncoder) -> None:
    assert torch.equal(text.prompt("a (red:1) apple").context, text.prompt("a red apple").context)


def test_the_cache_is_bounded_and_returns_what_it_was_given(
    text: TextEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limelight.pipeline.text.encoder.MAX_CACHED_PROMPTS", 2)
    small = TextEncoder(text.encoders)
    first = small.prompt("a")
    assert small.prompt("a") is first
    for other in "bcd":
        small.prompt(other)
    assert len(small._cache) == 2
    assert torch.equal(small.prompt("a").context, first.context)
