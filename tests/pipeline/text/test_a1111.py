"""AUTOMATIC1111's prompt syntax, after the documentation and behaviour of its web UI; the numbers are
computed by hand."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.text.a1111 import MAX_WEIGHT, chunks_at_commas, parse_a1111, rescaled
from limelight.pipeline.text.encoder import TextEncoder


def runs(prompt: str) -> list[tuple[str, float]]:
    """Runs of equal weight over all parts."""
    found: list[tuple[str, float]] = []
    for part in parse_a1111(prompt):
        for start, end in part.stretches():
            if end > start:
                found.append((part.text[start:end], pytest.approx(part.weights[start])))
    return found


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("a [(b", [("a b", 1)]),
        ("a ((b", [("a ", 1), ("b", 1.21)]),
        (r"\(literal\]", [("(literal]", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("(red:1)(apple:1)", [("redapple", 1)]),
        ("(red:1.2)(apple:1.3)", [("red", 1.2), ("apple", 1.3)]),
        ("a)b]", [("a)b]", 1)]),
        ("(a:-1)", [("a", -1)]),
        ("(a:12.5)", [("a", 12.5)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("a:1.5)", [("a:1.5)", 1)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1), (" c", 1 / 1.1)]),
        ("x<lora:foo:1>y", [("xy", 1)]),
        ("", []),
    ],
)
def test_weights(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert runs(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a BREAK b", ["a ", " b"]),
        ("aBREAK b", ["aBREAK b"]),
        ("(a)BREAK b", ["a", " b"]),
        ("a,BREAK.b", ["a,", ".b"]),
        ("a BREAK", ["a "]),
        ("BREAK a", ["", " a"]),
        ("BREAK", [""]),
        ("(a BREAK b)", ["a BREAK b"]),
    ],
)
def test_breaks(prompt: str, texts: list[str]) -> None:
    assert [part.text for part in parse_a1111(prompt)] == texts


def test_long_lists_of_tags_are_cut_at_commas() -> None:
    # 80 tags of two tokens with a comma each but the last: 239 tokens.
    pieces = (["big</w>", "tree</w>", ",</w>"] * 80)[:-1]
    assert [end - start for start, end in chunks_at_commas(pieces, 75)] == [75, 75, 75, 14]
    # 60 tags of three: the comma behind the first 75 begins the next chunk, of which the last tag moves on.
    pieces = (["a</w>", "big</w>", "tree</w>", ",</w>"] * 60)[:-1]
    assert [end - start for start, end in chunks_at_commas(pieces, 75)] == [75, 73, 75, 16]


def test_a_comma_too_far_back_is_none() -> None:
    assert chunks_at_commas([",</w>", *["a</w>"] * 80], 75) == [(0, 75), (75, 81)]
    assert chunks_at_commas([*["a</w>"] * 55, ",</w>", *["b</w>"] * 30], 75) == [(0, 56), (56, 86)]
    assert chunks_at_commas([*["a</w>"] * 54, ",</w>", *["b</w>"] * 30], 75) == [(0, 75), (75, 85)]
    assert chunks_at_commas([*["a</w>"] * 75, ",</w>"], 75) == [(0, 75), (75, 76)]
    assert chunks_at_commas([], 75) == [(0, 0)]


def test_the_context_is_multiplied_and_keeps_its_mean() -> None:
    context = torch.tensor([[1.0, 3.0], [2.0, 2.0]])
    assert torch.allclose(rescaled(context, [1.0, 2.0]), torch.tensor([[1.0, 3.0], [4.0, 4.0]]) * (8 / 12))
    assert torch.equal(rescaled(context, [1.0, -1.0]), torch.tensor([[1.0, 3.0], [-2.0, -2.0]]))  # no mean


@given(st.text(alphabet=st.sampled_from("ab ()[]:.15-\\BREAK,<>\n😀é"), max_size=60))
def test_any_text_parses_and_every_character_knows_where_it_came_from(prompt: str) -> None:
    for part in parse_a1111(prompt):
        assert len(part.text) == len(part.weights) == len(part.positions)
        assert all(abs(weight) <= MAX_WEIGHT for weight in part.weights)
        assert list(part.positions) == sorted(set(part.positions))
        assert "".join(prompt[i] for i in part.positions) == part.text


@pytest.mark.parametrize(
    "prompt", ["(a" * 10_000, "(" * 20_000, "([a" * 6_000, "(a:9)" * 4_000, "<a:" * 6_000]
)
def test_depth_and_length_cost_little_time(prompt: str) -> None:
    started = time.perf_counter()
    parse_a1111(prompt)
    assert time.perf_counter() - started < 5


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def text(request: pytest.FixtureRequest) -> tuple[str, TextEncoder]:
    folder: Path = request.getfixturevalue(f"{request.param}_folder")
    return request.param, TextToImagePipeline.from_pretrained(folder, device="cpu").model.text


def test_a_plain_prompt_is_the_same_in_both(text: tuple[str, TextEncoder]) -> None:
    one, other = (text[1].prompt("a red apple", syntax=syntax) for syntax in ("limelight", "a1111"))
    assert torch.equal(one.context, other.context)


def test_weights_multiply_each_encoders_own_embeddings(text: tuple[str, TextEncoder]) -> None:
    for encoder in text[1].encoders:
        plain = encoder.encode("a red apple", syntax="a1111").context
        found = encoder.encode("a (red:1.5) apple", syntax="a1111")
        weights = torch.tensor([token.weight for token in found.tokens])[:, None]
        expected = plain * weights * (plain.mean() / (plain * weights).mean())
        torch.testing.assert_close(found.context, expected)


def test_clip_skip_acts_on_both_prompts_of_stable_diffusion_1_and_on_none_of_xl(
    text: tuple[str, TextEncoder],
) -> None:
    kind, encoder = text
    prompt = encoder.prompt("a cat", syntax="a1111", clip_skip=2)
    negative = encoder.negative("a cat", syntax="a1111", clip_skip=2)
    assert torch.equal(prompt.context, negative.context)
    own = encoder.prompt("a cat", clip_skip=2 if kind == "sd" else 1)
    assert torch.equal(prompt.context, own.context)
    ours = encoder.negative("a cat", clip_skip=2)
    assert torch.equal(ours.context, encoder.prompt("a cat").context)


def test_stable_diffusion_2_has_no_skip_either(sd_folder: Path) -> None:
    (encoder,) = TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model.text.encoders
    wide = type("Model", (), {"config": type("Config", (), {"hidden_size": 1024})})
    assert not replace(encoder, model=wide)._is_skipped_by_a1111
    assert encoder._is_skipped_by_a1111
