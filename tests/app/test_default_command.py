"""Command lines without a command, and prompts without quotes."""

import pytest

from limelight.app.cli import app, require_paths, with_command
from limelight.app.commands.generate import one_prompt
from limelight.pipeline.errors import UsageError

COMMANDS = ("generate", "batch", "ui", "inspect", "replay")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ([], []),
        (["a red apple"], ["generate", "a red apple"]),
        (["--seed", "7", "a red apple"], ["generate", "--seed", "7", "a red apple"]),
        (["--", "batch"], ["generate", "--", "batch"]),
        (["batch", "a.csv"], ["batch", "a.csv"]),  # a prompt that equals a command is the command
        (["generate", "batch"], ["generate", "batch"]),
        (["--version"], ["--version"]),
        (["-h"], ["-h"]),
        (["apple"], ["generate", "apple"]),
    ],
)
def test_a_prompt_without_a_command_means_generate(line, meant):
    assert with_command(line, COMMANDS) == meant


@pytest.mark.parametrize(
    ("typed", "near"), [("genrate", "generate"), ("Batch", "batch"), ("inspct", "inspect")]
)
def test_a_misspelt_command_gets_the_nearest_command_as_a_hint(typed, near):
    with pytest.raises(UsageError, match=f'did you mean `limelight {near}`.*limelight generate "{typed}"'):
        with_command([typed, "x"], COMMANDS)


@pytest.mark.parametrize(
    ("line", "words", "command"),
    [
        ("generate a red apple", "a red apple", 'limelight generate "a red apple"'),
        (
            "a red apple --seed 7 -o x.png",
            "a red apple",
            'limelight "a red apple" --seed 7 -o x.png',
        ),
        ("generate --seed 7 a 7 --steps 3", "a 7", 'limelight generate "a 7" --seed 7 --steps 3'),
        ("generate five $ bills", "five $ bills", "limelight generate 'five $ bills'"),
    ],
)
def test_a_prompt_without_quotes_gets_the_quoted_command_as_a_hint(line, words, command):
    with pytest.raises(UsageError) as error:
        one_prompt(words.split(), line.split())
    assert str(error.value).endswith(f": {command}")


def test_a_prompt_in_quotes_is_the_prompt():
    assert one_prompt(["a red apple"], []) == "a red apple"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("apple --seed x", "seed is 'x'; must be a whole number"),
        ("apple --seed 1.5", "seed is '1.5'; must be a whole number"),
        ("apple --cfg big", "guidance is 'big'; must be a number"),
        ("ui --port abc", "port is 'abc'; must be a whole number"),
    ],
)
def test_what_is_no_number_is_refused_in_our_words(line, text):
    with pytest.raises(UsageError) as error:
        app(line.split())
    assert str(error.value) == text


@pytest.mark.parametrize("prompt", ["", "  ", "\n"])
def test_an_empty_prompt_is_refused(prompt):
    with pytest.raises(UsageError, match="the prompt is empty; say what to draw"):
        one_prompt([prompt], [prompt])
    with pytest.raises(UsageError, match="the prompt is empty"):
        app(["edit", "picture.png", prompt], standalone_mode=False)


@pytest.mark.parametrize(
    "line",
    [["a car", "-o", ""], ["edit", "a.png", "a dog", "--output="], ["describe", "a.png", "--maps", ""]],
)
def test_an_empty_path_is_refused(line):
    with pytest.raises(UsageError, match="is empty; give a file or a folder, or leave it out"):
        app(line, standalone_mode=False)


def test_other_empty_texts_are_no_paths():
    require_paths(["a car", "--negative", "", "-o", "out", "--", "-o", ""])
