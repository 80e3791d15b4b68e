"""A blind viewing: sheets without captions, a form, and a table of the answers."""

import csv
import json
from random import Random

import pytest
from PIL import Image

from scripts.second.blind import FORM, HEADS, KEY, make, scenes_of, table


def test_answers_become_a_table(tmp_path) -> None:
    rng = Random(0)
    scenes = {kind: scenes_of(kind, count, rng) for kind, count in (("new", 30), ("render", 2), ("old", 3))}
    pictures = {kind: [Image.new("RGB", (64, 64))] * len(of) for kind, of in scenes.items()}
    make(tmp_path, scenes, pictures, rng)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["sheet-1.png", "sheet-2.png"]
    key = json.loads((tmp_path / KEY).read_text())
    with (tmp_path / FORM).open(newline="") as stream:
        form = list(csv.DictReader(stream))
    assert len(form) == len(key) == 35
    for line, entry in zip(form, key, strict=True):
        if entry["kind"] == "new":  # every new picture is named, no other
            line[HEADS[1]] = f"I see {' and '.join(entry['nouns'])}".upper()
        line[HEADS[2]] = "4" if entry["kind"] == "new" else "2"
    form[next(i for i, entry in enumerate(key) if entry["kind"] == "old")].update({HEADS[2]: ""})
    _write(tmp_path, form)
    lines = table(tmp_path).splitlines()
    assert lines[2] == "| new | 30 | 1.00 | 4.00 |"
    assert lines[3:] == ["| render | 2 | 0.00 | 2.00 |", "| old | 2 | 0.00 | 2.00 |"]
    form[0][HEADS[2]] = "6"
    _write(tmp_path, form)
    with pytest.raises(ValueError, match="picture 1: charm is '6'; must be 1 to 5"):
        table(tmp_path)


def _write(folder, form) -> None:
    with (folder / FORM).open("w", newline="") as stream:
        writer = csv.DictWriter(stream, HEADS)
        writer.writeheader()
        writer.writerows(form)
