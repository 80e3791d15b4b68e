"""Rows that are expanded to several."""

from pathlib import Path

import pytest

from limelight.pipeline.batch.rows.expand import alternatives, expand, parse_matrix
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", ["a cat"]),
        ("a {red|blue} cat", ["a red cat", "a blue cat"]),
        ("{a|b} {c|d}", ["a c", "a d", "b c", "b d"]),
        ("a{| big} cat", ["a cat", "a big cat"]),
        ("{a|{b|c} d}", ["a", "b d", "c d"]),
        ("{word} and {", ["{word} and {"]),
        (r"\{a|b\} \| {c|d}", ["{a|b} | c", "{a|b} | d"]),
        (r"{a\|b|c}", ["a|b", "c"]),
    ],
)
def test_alternatives(text: str, expected: list[str]) -> None:
    assert alternatives(text) == expected


def test_what_comes_last_changes_fastest() -> None:
    rows = list(
        expand(
            {"prompt": "{a|b}", "count": 2, "mood": "calm"}, parse_matrix(["seed=10,20", "scheduler=ddim"])
        )
    )
    assert [(row["prompt"], row["seed"]) for row in rows] == [
        ("a", 10), ("a", 11), ("a", 20), ("a", 21), ("b", 10), ("b", 11), ("b", 20), ("b", 21),
    ]  # fmt: skip
    assert all(row["scheduler"] == "ddim" and row["mood"] == "calm" and "count" not in row for row in rows)


def test_a_row_keeps_its_own_values() -> None:
    assert list(expand({"prompt": "a", "seed": 5}, {"seed": [1, 2]})) == [{"prompt": "a", "seed": 5}]


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("seed=1,2", [1, 2]),
        ("seed=3..5", [3, 4, 5]),
        ("guidance_scale=1.5,7", [1.5, 7]),
        ('prompt=["a, b","c"]', ["a, b", "c"]),
        ("record=true", [True]),
    ],
)
def test_values_of_a_matrix(option: str, values: list[object]) -> None:
    assert parse_matrix([option]) == {option.partition("=")[0]: values}


def test_a_matrix_takes_the_names_that_columns_take() -> None:
    assert parse_matrix(["steps=4,8", "cfg_scale=2"]) == {"num_steps": [4, 8], "guidance_scale": [2.0]}
    with pytest.raises(UsageError, match="matrix has num_steps twice"):
        parse_matrix(["steps=4", "num_steps=8"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["seed"], "must be FIELD=VALUE,VALUE"),
        (["sed=1"], "did you mean 'seed'"),
        (["seed=1", "seed=2"], "has seed twice"),
        (["seed=a"], "seed is 'a'; must be a whole number"),
        (["seed=5..1"], "must rise, by less than 100,000"),
        (["prompt=[1"], "is not a list in JSON"),
        (["prompt=[]"], "is empty; give at least one value"),
    ],
)
def test_a_bad_matrix_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=r"matrix|unknown field") as caught:
        parse_matrix(options)
    assert message in str(caught.value)


def test_too_many_are_refused_with_their_number() -> None:
    with pytest.raises(ValueError, match="stands for 1,000,000,000 pictures; at most 100,000 in a row"):
        list(expand({"prompt": "a", "count": 10**9}, {}))
    with pytest.raises(ValueError, match="has 1,099,511,627,776 alternatives; at most 100,000"):
        alternatives("{a|b}" * 40)


def test_pictures_of_a_row_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("id,prompt,count\nx,{a|b},6\ny,c,1\n")
    manifest = read_rows(tmp_path / "m.csv")
    assert [row.id for row in manifest.rows] == [*(f"x-{i:02}" for i in range(12)), "y"]
    assert manifest.num_twins == 0
