import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limelight.pipeline.text.syntax import MAX_WEIGHT, Part, parse


def weighted(prompt: str) -> list[tuple[str, float]]:
    """Runs of equal weight over all parts."""
    runs: list[tuple[str, float]] = []
    for part in parse(prompt):
        for c, w in zip(part.text, part.weights, strict=True):
            if runs and runs[-1][1] == w:
                runs[-1] = (runs[-1][0] + c, w)
            else:
                runs.append((c, w))
    return [(text, pytest.approx(weight)) for text, weight in runs]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a red apple", [("a red apple", 1)]),
        ("a (red) apple", [("a ", 1), ("red", 1.1), (" apple", 1)]),
        ("a ((red)) apple", [("a ", 1), ("red", 1.21), (" apple", 1)]),
        # As AUTOMATIC1111's parser has it: a weight in the inner brackets does not undo the outer ones'.
        ("((red:1)) apple", [("red", 1.1), (" apple", 1)]),
        ("a [red] apple", [("a ", 1), ("red", 1 / 1.1), (" apple", 1)]),
        ("(red:1.5) apple", [("red", 1.5), (" apple", 1)]),
        ("(red : 1.5 )", [("red ", 1.5)]),
        ("(a (b:2) c:1.5)", [("a ", 1.5), ("b", 3), (" c", 1.5)]),
        (r"\(red\) \\ \x", [(r"(red) \ \x", 1)]),
        ("((((", [("((((", 1)]),
        ("a) ]b", [("a) ]b", 1)]),
        ("(a]", [("(a]", 1)]),
        ("(a [b) c]", [("a [b", 1.1), (" c]", 1)]),
        ("(a:1e999)", [("a:1e999", 1.1)]),
        ("(a:nan)", [("a:nan", 1.1)]),
        ("(a:-2)", [("a:-2", 1.1)]),
        ("(a:0)", [("a", 0)]),
        ("(a:99)", [("a", 10)]),
        ("", []),
        ("()", []),
    ],
)
def test_weights(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert weighted(prompt) == expected


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a BREAK b", ["a ", " b"]),
        ("a, BREAK, b", ["a, ", ", b"]),
        ("BREAK", ["", ""]),
        ("BREAKFAST or OUTBREAK", ["BREAKFAST or OUTBREAK"]),
        ("(a BREAK b:1.5)", ["a ", " b"]),
        ("(a)BREAK b", ["a", " b"]),
        ("(a:1.2)BREAK(b)", ["a", "b"]),
        ("a BREAK[b]", ["a ", "b"]),
        ("<lora:x:1>BREAK b", ["", " b"]),
    ],
)
def test_breaks(prompt: str, texts: list[str]) -> None:
    assert [part.text for part in parse(prompt)] == texts


@pytest.mark.parametrize(
    ("prompt", "stretches"),
    [
        ("(red:1)(apple:1)", ["red", "apple"]),
        ("((red:1))apple", ["red", "apple"]),
        ("photo(s)", ["photo", "s"]),
        ("a (red) apple", ["a ", "red", " apple"]),
        ("red<lora:x:1>apple", ["red", "apple"]),
        ("red apple", ["red apple"]),
        (r"\(a\)b", ["(a)b"]),
        ("()", [""]),
    ],
)
def test_text_in_brackets_is_parsed_by_itself(prompt: str, stretches: list[str]) -> None:
    (part,) = parse(prompt)
    assert [part.text[start:end] for start, end in part.stretches()] == stretches


@given(st.text(alphabet=st.sampled_from("ab ()[]:.15\\BREAK\n😀é"), max_size=60))
def test_any_text_parses_and_every_character_knows_where_it_came_from(prompt: str) -> None:
    for part in parse(prompt):
        assert len(part.text) == len(part.weights) == len(part.positions)
        assert all(0 <= weight <= MAX_WEIGHT for weight in part.weights)
        assert list(part.positions) == sorted(set(part.positions))
        assert "".join(prompt[i] for i in part.positions) == part.text


@given(st.text(max_size=60).filter(lambda text: not set(text) & set("()[]\\") and "BREAK" not in text))
def test_a_plain_prompt_is_itself(prompt: str) -> None:
    assert parse(prompt) == [Part(prompt, (1.0,) * len(prompt), tuple(range(len(prompt))))]


@pytest.mark.parametrize(
    "prompt", ["(" * 10_000 + "a" + ")" * 10_000, "(" * 500_000, "([" * 200_000, "\\(" * 300_000]
)
def test_depth_and_length_cost_no_recursion_and_linear_time(prompt: str) -> None:
    started = time.perf_counter()
    parse(prompt)
    assert time.perf_counter() - started < 5
