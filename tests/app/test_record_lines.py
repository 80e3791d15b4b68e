"""The order and the words in which a record is shown."""

from limelight.app.record_lines import lines_of
from limelight.pipeline.requests.request import GenerationRequest

RECORD = {
    "attention": {"self": ["sdpa (flash)"]},
    "device": "cpu",
    "dtype": "float32",
    "enlarged": {"from": [64, 64], "to": [512, 512], "by": "Lanczos"},
    "filter_bytes": 134217728,
    "is_constant": False,
    "limelight": "0.1.0",
    "model": {"name": "default", "family": "limelight", "hash": "30cd72e0c48fe0b42e53"},
    "request": GenerationRequest(prompt="a red apple", seed=3, width=64, height=64, clip_skip=2).to_dict(),
    "retries": [],
    "versions": {"torch": "2.13.0"},
}


def test_the_request_comes_first_and_the_versions_last() -> None:
    assert [name for name, _ in lines_of(RECORD)][:2] == ["prompt", "seed"]
    lines = dict(lines_of(RECORD))
    assert list(lines)[-3:] == ["attention self", "drawn on", "versions"]
    assert lines["size"] == "64 x 64"
    assert lines["saved"] == "enlarged from 64 x 64 to 512 x 512 pixels by Lanczos"
    assert lines["model"] == "default (limelight, 30cd72e0c48f)"
    assert lines["drawn on"] == "cpu, float32"
    assert lines["versions"] == "limelight 0.1.0, torch 2.13.0"


def test_fields_at_their_defaults_are_left_out() -> None:
    names = [name for name, _ in lines_of(RECORD)]
    assert "clip skip" in names  # not at its default
    assert not {"guidance end", "prompt syntax", "retries", "filter bytes", "is constant"} & set(names)
    assert ("note", "a single colour") in lines_of(RECORD | {"is_constant": True})


def test_only_edits_say_what_they_keep_and_blend() -> None:
    assert not {"keep", "blend"} & dict(lines_of(RECORD)).keys()
    edit = RECORD | {"request": GenerationRequest(prompt="a red car", edit_of="a red apple").to_dict()}
    lines = dict(lines_of(edit))
    assert (lines["edit of"], lines["keep"], lines["blend"]) == ("a red apple", "0.6, 0.4", "0.3, 0.2")


def test_a_record_may_hold_anything() -> None:
    record = {name: "x" for name in RECORD} | {"enlarged": ["y"], "own": {"a": [1, {"b": None}], "c": 0}}
    lines = dict(lines_of(record))
    assert lines["model"] == lines["versions"].split()[-1] == "x"
    assert (lines["own a"], lines["own c"]) == ("1, {'b': None}", "0")
