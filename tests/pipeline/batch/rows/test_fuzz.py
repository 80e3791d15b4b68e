"""2,000 manifests that were made or spoilt at random: each is read, or refused with its lines, soon and in
little memory."""

import json
import random
import resource
import time
from pathlib import Path

import pytest

from limelight.pipeline.batch.rows.expand import parse_matrix
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.errors import UsageError

pytestmark = pytest.mark.slow

MAX_SECONDS, MAX_MEGABYTES = 2.0, 300
COLUMNS = (
    *(
        "prompt",
        "Prompt",
        "seed",
        "steps",
        "cfg",
        "CFG scale",
        "sampler",
        "size",
        "width",
        "hires",
        "negative",
    ),
    *(
        "id",
        "count",
        "model",
        "record",
        "image",
        "mask",
        "strength",
        "record_points",
        "expansion",
        "mood",
        "",
        "_x",
    ),
    *(
        "guidance_scale",
        "clip_skip",
        "prompt_syntax",
        "a" * 300,
        "prompt\0",
        "\uff50rompt",
        "lora",
        "--steps",
    ),
)
CELLS = (
    *(
        "a cat",
        "",
        " ",
        "3",
        "-1",
        "7,5",
        "7.5",
        "1e999",
        "nan",
        "64x48",
        "64",
        "{a|b}",
        "{a|" * 30,
        "}{" * 50,
    ),
    *(
        "{a|b}" * 20,
        "9" * 400,
        "true",
        "[1, 2]",
        "[[1,2]]",
        "[" * 3000,
        "../../etc/passwd",
        "/dev/zero",
        "\x1b[2J",
    ),
    *(
        "x" * 25_000,
        "--steps 3",
        "# no",
        "é猫",
        "'",
        '"',
        "Euler a",
        "euler_ancestral",
        "{}",
        "null",
        "18446744073709551615",
    ),
)
ENDS = ("\n", "\r\n", "\r", "\n\n", "")


def table(chance: random.Random) -> str:
    delimiter = chance.choice(",;,;\t|")
    columns = chance.sample(COLUMNS, chance.randrange(1, 7))
    if chance.random() < 0.8 and "prompt" not in columns:
        columns[0] = "prompt"
    rows = [[chance.choice(CELLS) for _ in columns] for _ in range(chance.randrange(1, 6))]
    first = [f"sep={delimiter}"] if chance.random() < 0.2 else []
    return chance.choice(ENDS).join([*first, *(delimiter.join(each) for each in [columns, *rows])])


def lines(chance: random.Random) -> str:
    pieces = (
        "a cat",
        " --steps 3",
        " --n blurry",
        " --d ",
        "#",
        "\n",
        " --",
        '--prompt "a dog"',
        " --ar 1",
        "{a|b}",
    )
    return "".join(chance.choices([*pieces, *CELLS], k=chance.randrange(1, 20)))


def objects(chance: random.Random) -> str:
    rows = []
    for _ in range(chance.randrange(1, 5)):
        row = {
            name: chance.choice([*CELLS, 3, -1, 7.5, None, True, [], {}, 2**64, 1e300])
            for name in chance.sample(COLUMNS, chance.randrange(5))
        }
        rows.append(json.dumps({"prompt": "a", **row}))
    return "\n".join(rows)


def spoilt(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(found) + 1)
        found[at : at + chance.randrange(3)] = bytes(chance.choices(range(256), k=chance.randrange(5)))
    return bytes(found)


def test_2000_manifests_are_read_or_refused_with_a_message(tmp_path: Path) -> None:
    chance, longest, read = random.Random(2000), 0.0, 0
    (tmp_path / "warm.csv").write_text("prompt\na\n")
    read_rows(tmp_path / "warm.csv")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(2000):
        name, make = (("m.csv", table), ("m.tsv", table), ("m.txt", lines), ("m.jsonl", objects))[number % 4]
        data = make(chance).encode("utf-8", "surrogatepass")
        (tmp_path / name).write_bytes(spoilt(data, chance) if chance.random() < 0.3 else data)
        began = time.process_time()
        try:
            rows = read_rows(tmp_path / name).rows
            assert all(row.request().prompt is not None and len(row.key("m")) == 24 for row in rows[:100])
            read += 1
        except UsageError as refusal:
            assert "\n" not in str(refusal).strip("\n") or "nothing was drawn" in str(refusal)
        longest = max(longest, time.process_time() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert longest < MAX_SECONDS and grown < MAX_MEGABYTES, (longest, grown)
    assert 100 < read < 1900, read


def test_500_matrices_are_read_or_refused_with_a_message() -> None:
    chance = random.Random(500)
    for _ in range(500):
        option = "".join(
            chance.choices(["seed", "prompt", "=", "..", ",", "1", *CELLS], k=chance.randrange(1, 7))
        )
        try:
            parse_matrix([option])
        except UsageError:
            pass
