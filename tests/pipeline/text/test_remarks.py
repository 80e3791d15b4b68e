"""Remarks on syntax in a prompt that has no effect."""

from pathlib import Path

import pytest

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.text.encoder import TextEncoder
from limelight.pipeline.text.syntax import MAX_REMARKS, remarks
from limelight.pipeline.text.warned import PromptSyntax


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("an apple <lora:foo:0.8>", "'<lora:foo:0.8>' at column 10 is no word and is left out; to draw with "
         "it, give its file: --lora foo.safetensors:0.8"),
        ("<LORA:a b>", "'<LORA:a b>' at column 1 is no word and is left out; to draw with it, give its file: "
         "--lora a b.safetensors"),
        ("<lyco:x:0.5:0.7> b", "give its file: --lora x.safetensors:0.5"),
        ("a <hypernet:x:1>", "'<hypernet:x:1>' at column 3 is no word and is left out; hypernetworks cannot"),
        ("a [red:blue:0.5] apple", "'[red:blue:0.5]' at column 3 is read as all its words: a prompt"),
        ("a [red:10]", "'[red:10]' at column 3 is read as all its words"),
        ("a [red::.5]", "'[red::.5]' at column 3 is read as all its words"),
        ("a [red|blue|green]", "'[red|blue|green]' at column 3 is read as all its words: they do not"),
        ("([a|b]:1.2)", "'[a|b]' at column 2"),
        ("a cat AND a dog", "AND at column 7 is read as a word: pictures are not composed"),
        ("(a:-1)", "weight -1 at column 3 is read as text: weights are from 0 to 10"),
        ("(a:99)", "weight 99 at column 3 is taken for 10: weights are from 0 to 10"),
    ],
)  # fmt: skip
def test_each_remark_has_a_place_and_a_remedy(prompt: str, said: str) -> None:
    (remark,) = remarks(prompt)
    assert said in remark


@pytest.mark.parametrize(
    "prompt",
    [
        "a red apple",
        "(a:1.5) [b] ((c)) BREAK d",
        "[a:b]",
        "[a] | b : 0.5",
        r"\[a|b\]",
        "Andes, HAND and SAND",
        "1 < 2 > 1, <cat-toy>, <3:>",
        "",
    ],
)
def test_syntax_with_an_effect_gets_no_remark(prompt: str) -> None:
    assert remarks(prompt) == []


def test_remarks_are_few_and_short() -> None:
    said = remarks("".join(f"<lora:{'x' * 900}{i}:1>" for i in range(50)))
    assert len(said) == MAX_REMARKS
    assert max(map(len, said)) < 300


def test_automatic1111_takes_out_every_tag_of_the_kind() -> None:
    assert remarks("<foo:bar>") == []
    assert "it names nothing that can be used here" in remarks("<foo:bar>", "a1111")[0]
    assert remarks("(a:-1) (b:99)", "a1111") == []


@pytest.fixture(scope="module")
def text(sd_folder: Path) -> TextEncoder:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu").model.text


def test_a_tag_causes_a_warning_and_is_no_word(text: TextEncoder) -> None:
    with pytest.warns(PromptSyntax, match="--lora foo"):
        tagged = text.prompt("a cat <lora:foo:0.8>")
    assert tagged.keys == text.prompt("a cat").keys
    assert text.said_of("a cat <lora:foo:0.8>") == remarks("a cat <lora:foo:0.8>")


def test_breaks_alone_cause_no_remark_even_if_there_are_too_many(text: TextEncoder) -> None:
    assert len(text.prompt("BREAK " * 8).tokens) == 8 * 77
    assert text.said_of("BREAK " * 20) == []
    assert "without effect: 'apple'" in text.said_of("BREAK " * 20 + "apple")[0]
