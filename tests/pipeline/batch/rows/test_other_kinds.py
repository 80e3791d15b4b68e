"""Files that are no manifest as they stand: one fault says what they are and what to do."""

import json
import time
from pathlib import Path

import pytest

from limelight.pipeline.batch.errors import ManifestError
from limelight.pipeline.batch.rows.rows import read_rows


def faults(folder: Path, data: bytes, name: str = "m.csv") -> list[str]:
    (folder / name).write_bytes(data)
    with pytest.raises(ManifestError) as caught:
        read_rows(folder / name)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.txt"])
@pytest.mark.parametrize(
    ("data", "fault"),
    [
        ("prompt\r\na cat\r\n".encode("utf-16"), "line 1: the file is UTF-16; save it as UTF-8"),
        ("prompt\r\na cat\r\n".encode("utf-16-le"), "line 1: the file is UTF-16; save it as UTF-8"),
        ("prompt\r\na cat\r\n".encode("utf-16-be"), "line 1: the file is UTF-16; save it as UTF-8"),
        (b"PK\x03\x04\x14\0\n\0", "line 1: the file is a ZIP archive, as .xlsx and .ods are; save"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\n", "line 1: the file is an Excel workbook (.xls); save the table as"),
        (b"prompt\ra cat\ra dog\r", "line 1: the lines end in CR alone, as of old Macs; save the file"),
    ],
)
def test_a_file_of_another_kind_has_one_fault(tmp_path: Path, name: str, data: bytes, fault: str) -> None:
    (found,) = faults(tmp_path, data, name)
    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b'prompt\n"a \\"red\\" cat"\n', "line 2: is not valid csv: a cell goes on behind its closing quote"),
        (b"prompt,seed\na cat, a dog,5\n", "has 3 cells; the header has 2; put a cell that holds the sep"),
        (b"prompt,seed\na cat\n", "line 2: has 1 cells; the header has 2"),
    ],
)
def test_cells_that_are_cut_wrongly_are_told_with_the_remedy(tmp_path: Path, data: bytes, fault: str) -> None:
    (found,) = faults(tmp_path, data)
    assert fault in found
    assert ("double quotes" in found) == ("3 cells" in found)


def test_names_without_end_are_refused_soon(tmp_path: Path) -> None:
    many = [f"c{number}" for number in range(100_000)]
    began = time.process_time()
    (found,) = faults(tmp_path, ",".join(["prompt", *many]).encode() + b"\n")
    assert found == "line 1: there are 100,001 columns; at most 1,000"
    row = json.dumps({"prompt": "a cat"} | dict.fromkeys(many[:50_000]))
    (found,) = faults(tmp_path, row.encode(), "m.jsonl")
    assert found == "line 1: there are 50,001 columns; at most 1,000"
    twins = "{" + ",".join(f'"{name}":1' for name in many[:40_000] * 2) + "}"
    (found,) = faults(tmp_path, twins.encode(), "m.jsonl")
    assert "is given more than once" in found and len(found) < 1000
    assert time.process_time() - began < 5  # seconds; it was quadratic and took minutes


@pytest.mark.parametrize("dash", "\u2012\u2013\u2014\u2015\u2212")
def test_a_flag_with_a_dash_of_a_word_processor_is_not_drawn(tmp_path: Path, dash: str) -> None:
    (found,) = faults(tmp_path, f"a red apple {dash}seed 5\n".encode(), "m.txt")
    assert found == f"line 1: has {dash}seed, with a dash; a flag begins with two hyphens: --seed"
    (tmp_path / "m.txt").write_text(f"a cat {dash} asleep, {dash}red\n", encoding="utf-8")
    assert read_rows(tmp_path / "m.txt").rows[0].values["prompt"] == f"a cat {dash} asleep, {dash}red"
