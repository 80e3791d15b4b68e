"""The benchmark of edits compares each with two pictures of the same round."""

import argparse

import pytest

from limelight.pipeline import TextToImagePipeline
from scripts.benchmarks import edits


def test_every_kind_of_edit_is_timed_with_the_two_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = TextToImagePipeline.from_pretrained("default", device="cpu", exact=True)  # measures nothing first
    monkeypatch.setattr(TextToImagePipeline, "from_pretrained", lambda name, device: exact)
    (section,) = edits.measure(argparse.Namespace(model="default", steps=1, size=32, rounds=1))
    names = [row[0] for row in section.rows]
    assert names == [edits.PAIR, "two pictures with maps", *edits.EDITS, "of an image"]
    assert section.rows[0][2] == "1.000 (1.000 to 1.000)"
    assert all(float(row[2].split()[0]) > 0.1 for row in section.rows)
