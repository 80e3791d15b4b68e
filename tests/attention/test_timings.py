"""Timings are taken once, kept, and done without where they cannot be."""

import time

from limelight.attention.timings import Timings


def ways():
    return {"slow": lambda: sum(range(300_000)), "fast": lambda: time.thread_time()}


def refuse():
    raise AssertionError("measured again")


def test_the_fastest_is_found_once(tmp_path):
    file = tmp_path / "new" / "timings.json"
    timings = Timings(file)
    assert timings.fastest("case", ways) == "fast"
    assert timings.fastest("case", refuse) == "fast"
    assert Timings(file).fastest("case", refuse) == "fast"


def test_what_another_process_added_is_kept(tmp_path):
    file = tmp_path / "timings.json"
    one, other = Timings(file), Timings(file)
    one.fastest("a", ways)
    other.fastest("b", ways)
    assert Timings(file).fastest("a", refuse) == Timings(file).fastest("b", refuse) == "fast"


def test_a_file_that_is_no_use_is_done_without(tmp_path):
    for content in ("{", "[]", '{"x": 3}'):
        (file := tmp_path / "timings.json").write_text(content)
        assert Timings(file).fastest("case", ways) == "fast"
    (tmp_path / "file").write_text("")
    assert Timings(tmp_path / "file" / "timings.json").fastest("case", ways) == "fast"
