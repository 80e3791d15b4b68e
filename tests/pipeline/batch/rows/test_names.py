"""Column names of other programs, tables of all countries, flags, unset seeds."""

import json
from pathlib import Path

import pytest

from limelight.pipeline.batch.rows.alternatives import MAX_DEPTH, alternatives
from limelight.pipeline.batch.rows.expand import parse_matrix
from limelight.pipeline.batch.rows.names import REFUSED, known
from limelight.pipeline.batch.rows.rows import MAX_PICTURES, read_rows
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS
from tests.pipeline.batch.rows.test_manifest import faults, read

MEANT = [
    ("steps", 3, "num_steps", 3),
    ("Steps", 3, "num_steps", 3),
    ("num_inference_steps", 3, "num_steps", 3),
    ("cfg", 7.5, "guidance_scale", 7.5),
    ("cfg_scale", 7.5, "guidance_scale", 7.5),
    ("CFG scale", 7.5, "guidance_scale", 7.5),
    ("guidance", 7.5, "guidance_scale", 7.5),
    ("sampler", "Euler a", "scheduler", "euler-a"),
    ("sampler_name", "DPM++ 2M Karras", "scheduler", "dpm++2m-karras"),
    ("negative", "blurry", "negative_prompt", "blurry"),
    ("Negative prompt", "blurry", "negative_prompt", "blurry"),
    ("hires", 2, "hires_scale", 2),
    ("Hires upscale", 2, "hires_scale", 2),
    ("clip skip", 2, "clip_skip", 2),
    ("prompt-syntax", "a1111", "prompt_syntax", "a1111"),
    ("Lossy_Cache", 2, "lossy_cache_interval", 2),
]


@pytest.mark.parametrize(("column", "value", "field", "expected"), MEANT)
@pytest.mark.parametrize("name", ["m.jsonl", "m.csv"])
def test_a_column_is_taken_for_the_field_that_it_means(
    tmp_path: Path, column: str, value: object, field: str, expected: object, name: str
) -> None:
    table = f"Prompt,{column}\na cat,{value}\n"
    (row,) = read(
        tmp_path, table if name == "m.csv" else json.dumps({"prompt": "a cat", column: value}), name
    )
    assert getattr(row.request(), field) == expected
    assert row.columns == {}


def test_every_option_of_a_request_is_a_column() -> None:
    options = [field.option.removeprefix("--") for field in FIELDS.values() if field.option]
    assert [option for option in options if not known(option)] == ["guidance-interval"] * 2
    assert {known(field.a1111) for field in FIELDS.values() if field.a1111} <= {*FIELDS, "size", None}


def test_a_size_is_both_sides(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "prompt,Size\na cat,512x768\n")
    assert (row.values["width"], row.values["height"]) == (512, 768)
    (fault,) = faults(tmp_path, "prompt,size\na cat,512\n")
    assert fault == "line 2: size is '512'; must be WIDTHxHEIGHT such as 512x768"


@pytest.mark.parametrize("column", REFUSED)
def test_settings_of_other_programs_without_a_field_here_are_refused(tmp_path: Path, column: str) -> None:
    (fault,) = faults(tmp_path, f"prompt,{column}\na cat,1\n")
    assert fault.startswith(f"line 1: column {column!r}: ")
    assert fault.endswith(f"to keep it as one of your own, call it '_{column}'")
    (row,) = read(tmp_path, f"prompt,_{column}\na cat,1\n")
    assert row.columns == {f"_{column}": "1"}


@pytest.mark.parametrize("pair", [("steps", "num_steps"), ("cfg", "guidance"), ("size", "width")])
def test_two_columns_that_mean_the_same_are_a_fault(tmp_path: Path, pair: tuple[str, str]) -> None:
    row = {"prompt": "a", **dict.fromkeys(pair, 8)}
    for data, name in ((json.dumps(row), "m.jsonl"), (",".join(row) + "\na,8,8\n", "m.csv")):
        assert f"columns {pair[0]!r} and {pair[1]!r} both mean " in faults(tmp_path, data, name)[0]


CELLS = ("a red, ripe apple", 5, 7.5, 3)


@pytest.mark.parametrize(
    "text",
    [
        'prompt;seed;guidance_scale;num_steps\r\n"a red, ripe apple";5;7,5;3\r\n',
        "\ufeffsep=;\r\nprompt;seed;guidance_scale;num_steps\r\na red, ripe apple;5;7,5;3\r\n",
        "sep=|\nprompt|seed|guidance_scale|num_steps\na red, ripe apple|5|7.5|3\n",
        'Prompt;Seed;CFG scale;Steps;;\n"a red, ripe apple";5;7,5;3,0;;\n;;;;;\n',
        "prompt\tseed\tguidance_scale\tnum_steps\na red, ripe apple\t5\t7,5\t3\n",
        'prompt,seed,guidance_scale,num_steps,,\r\n"a red, ripe apple",5,7.5,3,,\r\n,,,,,\r\n , ,,,,\r\n',
        '"prompt";"seed";"guidance_scale";"num_steps"\n"a red, ripe apple";"5";"7,5";"3"\n',
    ],
)
def test_tables_of_all_countries_read_the_same(tmp_path: Path, text: str) -> None:
    (row,) = read(tmp_path, text)
    request = row.request()
    assert (request.prompt, request.seed, request.guidance_scale, request.num_steps) == CELLS


def test_a_comma_is_no_decimal_point_where_it_divides_cells(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, 'prompt,guidance_scale\na,"7,5"\n')
    assert fault == "line 2: guidance_scale is '7,5'; must be a number"
    (row,) = read(tmp_path, "prompt;mood\n1,5;1,5\n")
    assert (row.values["prompt"], row.columns) == ("1,5", {"mood": "1,5"})


def test_a_cell_below_no_name_is_a_fault(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "prompt,,seed\na,,5\n")
    assert row.values == {"prompt": "a", "seed": 5}
    (fault,) = faults(tmp_path, "prompt,,seed\na,x,5\n")
    assert fault == "line 2: has 'x' in column 2, which has no name; give it one"
    assert "has 3 cells; the header has 2" in faults(tmp_path, "prompt,seed,\na,5,x\n")[0]


@pytest.mark.parametrize("seed", [2**63, 2**64 - 1])
def test_seeds_go_as_far_as_torch_takes_them(tmp_path: Path, seed: int) -> None:
    (row,) = read(tmp_path, f"prompt,seed\na,{seed}\n")
    assert row.request().seed == seed
    assert (
        f"seed is {2**64}; must be from 0 to {2**64 - 1}" in faults(tmp_path, f"prompt,seed\na,{2**64}\n")[0]
    )


FLAGGED = {
    "prompt": "a red apple",
    "negative_prompt": "blurry",
    "num_steps": 3,
    "guidance_scale": 7,
    "scheduler": "euler-a",
    "width": 64,
    "height": 48,
    "seed": 5,
}


@pytest.mark.parametrize(
    "line",
    [
        '--prompt "a red apple" --negative_prompt "blurry" --steps 3 --cfg_scale 7 --sampler_name "Euler a" '
        "--width 64 --height 48 --seed 5",
        "--seed 5 --prompt a red apple --negative_prompt blurry --steps 3 --cfg_scale 7 --sampler Euler a "
        "--size 64x48",
        "a red apple --n blurry --w 64 --h 48 --d 5 --l 7 --s 3 --ss euler_a",
        "a red apple --negative blurry --width 64 --height 48 --seed 5 --guidance 7 --steps 3 "
        "--scheduler euler-a",
    ],
)
def test_flags_in_a_line_are_read(tmp_path: Path, line: str) -> None:
    (row,) = read(tmp_path, f"# a comment\n\n{line}\n  # another\n", "m.txt")
    request = row.request().to_dict()
    assert {name: request[name] for name in FLAGGED} == FLAGGED


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "a cat --ar 16:9",
            "has the flag --ar: it cannot be set here; to draw it as words, write the",
        ),
        ("a cat --stpes 3", "has the flag --stpes: unknown column 'stpes' (did you mean 'num_steps'?)"),
        ("a cat --model x", "has the flag --model: column 'model': a run has one model: give --model"),
        ("a cat --steps 3 --steps 4", "has the flag --steps and says steps before; give it once"),
        ("a cat --steps 3 --s 4", "columns 'steps' and 'num_steps' both mean num_steps; keep one"),
        ("a cat --steps", "has the flag --steps without a value"),
        ("--steps 3", "there is no prompt"),
        ("a cat --steps many", "num_steps is 'many'; must be a whole number"),
    ],
)
def test_an_unsupported_flag_is_a_fault(tmp_path: Path, line: str, message: str) -> None:
    (fault,) = faults(tmp_path, line, "m.txt")
    assert message in fault


@pytest.mark.parametrize("line", ["a cat -- dark", "semi--detached house", "a cat --- dog", "- a -- b"])
def test_dashes_that_are_no_flags_are_drawn(tmp_path: Path, line: str) -> None:
    (row,) = read(tmp_path, line, "m.txt")
    assert row.values["prompt"] == line


def test_an_open_seed_is_another_for_each_row_and_the_same_in_every_run(tmp_path: Path) -> None:
    text = "id,prompt,seed,mood\na,a cat,,x\nb,a cat,-1,y\nc,a dog,,z\n"
    seeds = [row.values["seed"] for row in read(tmp_path, text)]
    assert len(set(seeds)) == 3 and all(0 <= seed < 2**32 for seed in seeds)
    assert [row.values["seed"] for row in read(tmp_path, text.replace(",x", ",other"))] == seeds
    alone = read(tmp_path, "prompt\na dog\na cat\na cat\n")
    assert [row.values["seed"] for row in alone] == [seeds[2], *seeds[:2]]
    assert [row.values["seed"] for row in read(tmp_path, "a cat\na cat\n", "m.txt")] == seeds[:2]


def test_equal_rows_are_two_pictures(tmp_path: Path) -> None:
    (tmp_path / "m.txt").write_text("a cat\na cat\n")
    manifest = read_rows(tmp_path / "m.txt")
    assert manifest.num_twins == 0
    assert len({row.key("model") for row in manifest.rows}) == 2


def test_the_pictures_of_a_row_begin_from_one_seed(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt,count\na {red|blue} cat,2\n")
    rows = read_rows(tmp_path / "m.csv", matrix=parse_matrix(["num_steps=1,2"])).rows
    first = rows[0].values["seed"]
    assert [row.values["seed"] - first for row in rows] == [0, 1] * 4


def test_a_seed_of_the_run_is_that_of_rows_without_one(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt,seed\na,\nb,3\nc,-1\n")
    seeds = [row.request().seed for row in read_rows(tmp_path / "m.csv", defaults={"seed": 9}).rows]
    assert seeds[:2] == [9, 3] and seeds[2] not in (9, 3, 0)


def test_a_manifest_of_a_hundred_million_pictures_is_refused_before_one_is_made(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt,count\n" + "x,10000\n" * 10_000)
    with pytest.raises(UsageError, match=r"stands for 1,010,000 pictures up to line 102; at most 1,000,000"):
        read_rows(tmp_path / "m.csv")
    assert MAX_PICTURES == 1_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a|b}" * 4000, "has more than 1,000,000,000,000,000 alternatives; at most 100,000"),
        ("{a|b}" * 16 + "x" * 10_000, "has 65,536 alternatives of up to 10,080 characters"),
        ("{a|" * (MAX_DEPTH + 1), f"has braces more than {MAX_DEPTH} deep"),
    ],
)
def test_alternatives_are_counted_before_they_are_written(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        alternatives(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{" + "|" * 20_000, ["{" + "|" * 20_000]),
        ("}{" * 10_000, ["}{" * 10_000]),
        ("{a {b}|c}", ["a {b}", "c"]),
        ("{a|{b|c", ["{a|{b|c"]),
        ("{a|b", ["{a|b"]),
        ("x|y}", ["x|y}"]),
        ("{a|a}", ["a"]),
        ("a\\", ["a\\"]),
    ],
)
def test_braces_without_alternatives_stay_as_they_are(text: str, expected: list[str]) -> None:
    assert alternatives(text) == expected


def test_a_matrix_of_deep_json_is_refused() -> None:
    with pytest.raises(UsageError, match="is not a list in JSON"):
        parse_matrix(["seed=" + "[" * 100_000])
