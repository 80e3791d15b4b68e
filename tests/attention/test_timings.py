"""Timings are taken once and kept; where they cannot be kept, nothing fails."""

import os
import time

import pytest

from limelight.attention.timings import Timings


def candidates():
    return {"slow": lambda: sum(range(300_000)), "fast": lambda: time.thread_time()}


def refuse():
    def run():
        raise AssertionError("measured again")

    return {"slow": run, "fast": run}


def test_the_fastest_is_found_once(tmp_path):
    file = tmp_path / "new" / "timings.json"
    timings = Timings(file)
    assert timings.fastest("case", candidates) == "fast"
    assert timings.fastest("case", refuse) == "fast"
    assert Timings(file).fastest("case", refuse) == "fast"


def test_timings_of_another_process_are_kept(tmp_path):
    file = tmp_path / "timings.json"
    one, other = Timings(file), Timings(file)
    one.fastest("a", candidates)
    other.fastest("b", candidates)
    assert Timings(file).fastest("a", refuse) == Timings(file).fastest("b", refuse) == "fast"


def test_an_unusable_file_is_ignored(tmp_path):
    for content in ("{", "[]", '{"x": 3}'):
        (file := tmp_path / "timings.json").write_text(content)
        assert Timings(file).fastest("case", candidates) == "fast"
    (tmp_path / "file").write_text("")
    assert Timings(tmp_path / "file" / "timings.json").fastest("case", candidates) == "fast"


def test_an_unknown_candidate_is_measured_again(tmp_path):
    file = tmp_path / "timings.json"
    Timings(file).fastest("case", candidates)
    file.write_text(file.read_text().replace('"fast"', '"of another version"'))
    assert Timings(file).fastest("case", candidates) == "fast"
    assert Timings(file).fastest("case", refuse) == "fast"


@pytest.mark.parametrize(
    "content", ["[" * 100_000, '{"x": [1]}', "\xff", '{"a": 1e999999}', " " * (5 * 2**20)]
)
def test_a_damaged_file_is_ignored(tmp_path, content):
    (file := tmp_path / "timings.json").write_text(content)
    assert Timings(file).fastest("case", candidates) == "fast"


def test_a_fifo_is_ignored(tmp_path):
    os.mkfifo(file := tmp_path / "timings.json")
    assert Timings(file).fastest("case", candidates) == "fast"


def test_after_settling_the_first_candidate_is_chosen_and_nothing_is_saved(tmp_path):
    file = tmp_path / "timings.json"
    Timings(file).fastest("known", candidates)
    kept = file.read_text()
    timings = Timings(file)
    timings.settle()
    assert timings.fastest("known", refuse) == "fast"
    assert timings.fastest("new", refuse) == "slow"
    assert file.read_text() == kept
    file.write_text(kept.replace('"fast"', '"of another version"'))
    timings = Timings(file)
    timings.settle()
    assert timings.fastest("known", refuse) == "slow"
