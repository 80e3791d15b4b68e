"""The contents of manifests; each fault is reported with its line."""

import hashlib
import json
from pathlib import Path

import pytest

from limelight.pipeline.batch.errors import ManifestError
from limelight.pipeline.batch.rows.lines import MAX_LINE
from limelight.pipeline.batch.rows.rows import Row, read_rows
from limelight.pipeline.errors import UsageError


def read(folder: Path, data: bytes | str, name: str = "m.csv") -> list[Row]:
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(read_rows(folder / name).rows)


def faults(folder: Path, data: bytes | str, name: str = "m.csv") -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(folder, data, name)
    return [str(fault) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.csv", "prompt,seed,mood\na cat,7,calm\nthe dog,8,\n"),
        ("m.csv", b"\xef\xbb\xbfprompt,seed,mood\r\na cat,7.0,calm\r\n\r\nthe dog, 8,\r\n"),
        ("m.tsv", "prompt\tseed\tmood\na cat\t7\tcalm\nthe dog\t8\t"),
        (
            "m.jsonl",
            '{"prompt":"a cat","seed":7,"mood":"calm"}\n\n{"seed":8.0,"prompt":"the dog","mood":null}',
        ),
    ],
)
def test_every_kind_reads_the_same(tmp_path: Path, name: str, data: str | bytes) -> None:
    first, second = read(tmp_path, data, name)
    assert (first.values, first.columns) == ({"prompt": "a cat", "seed": 7}, {"mood": "calm"})
    assert (second.values, second.columns) == ({"prompt": "the dog", "seed": 8}, {})


def test_parquet_reads_the_same(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table({"prompt": ["a cat", "the dog"], "seed": [7.0, float("nan")], "mood": ["calm", None]})
    parquet.write_table(table, tmp_path / "m.parquet")
    first, second = read_rows(tmp_path / "m.parquet").rows
    assert (first.values, first.columns) == ({"prompt": "a cat", "seed": 7}, {"mood": "calm"})
    assert (second.values["prompt"], second.columns) == ("the dog", {})
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="cannot be read as parquet"):
        read_rows(tmp_path / "bad.parquet")


def test_text_is_a_prompt_a_line(tmp_path: Path) -> None:
    rows = read(tmp_path, 'a cat\n\n  a, "dog"  \n', "m.txt")
    assert [(row.line, row.values["prompt"]) for row in rows] == [(1, "a cat"), (3, 'a, "dog"')]


def test_all_faults_are_reported_with_their_lines(tmp_path: Path) -> None:
    text = (
        "id,prompt,seed,width,guidance_scale,record\n"
        "a,a cat,x,,,\n"  # 2
        'b,"over\ntwo lines",-2,500,,\n'  # 3, 4
        "A,a dog,1,,,\n"  # 5: as a, to a file system
        ",,1,,,\n"  # 6
        ",a cow,1\n"  # 7
        "../x,a cow,1,,,\n"  # 8
        "nul,a cow,1,,,\n"  # 9
        ",a cow,1,,nan,\n"  # 10
        ",a cow,1,,,sight\n"  # 11
        ",a cow,1.5,,,\n"  # 12
    )
    assert [line.split(";")[0] for line in faults(tmp_path, text)] == [
        "line 2: seed is 'x'",
        "line 3: seed is -2",
        "line 6: there is no prompt",
        "line 7: has 3 cells",
        "line 8: id is '../x'",
        "line 9: id is 'nul', which Windows keeps for itself",
        "line 10: guidance_scale is nan",
        "line 11: record is 'sight'",
        "line 12: seed is '1.5'",
    ]


def test_an_id_belongs_to_one_row(tmp_path: Path) -> None:
    assert faults(tmp_path, "id,prompt\na,x\nb,y\nA,z\n") == [
        "line 4: id 'A' is that of line 2; give each row one of its own"
    ]
    assert faults(tmp_path, "id,prompt\na-1,x\na,{x|y}\n") == [
        "line 3: id 'a-1' is that of line 2; give each row one of its own"
    ]


def test_a_misspelt_column_is_a_fault_and_a_column_of_the_users_own_is_kept(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "prompt,sed\na cat,1\n")
    assert fault == (
        "line 1: unknown column 'sed' (did you mean 'seed'?); to keep it as one of your own, call it '_sed'"
    )
    (row,) = read(tmp_path, "prompt,_sed,artist\na cat,1,me\n")
    assert row.columns == {"_sed": "1", "artist": "me"}
    assert "there is no column 'prompt'" in faults(tmp_path, "text,artist\na cat,me\n")[0]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"prompt\na cat\na \xff dog\n", "line 3: byte 15 of the file is 0xff, not UTF-8; save the file as"),
        (b"\xef\xbb\xbfprompt\xff\n", "line 1: byte 9 of the file is 0xff, not UTF-8"),
        (b"prompt\na \0 cat\n", "line 2: byte 9 of the file is NUL; remove it"),
        ("prompt\na cat\n".encode("utf-16"), "line 1: the file is UTF-16; save it as UTF-8"),
        (b'prompt\n"a cat\na dog\n', "line 2: is not valid csv: a quote is opened here and closed nowhere"),
        (b"", "line 1: the file is empty"),
        (b"prompt\n", "line 1: there is no row"),
        (b"prompt\n" + b"a" * 25_000, "line 2: prompt has 25,000 characters; at most 20,000"),
    ],
)
def test_bytes_that_are_no_text_are_reported_with_their_place(
    tmp_path: Path, data: bytes, fault: str
) -> None:
    assert faults(tmp_path, data)[0].startswith(fault)


def test_a_line_of_100_mb_is_reported_and_not_kept_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    with (tmp_path / "m.txt").open("wb") as file:
        file.write(b"a cat\n")
        for _ in range(100):
            file.write(b"a" * 2**20)
        file.write(b"\na \xff dog\n")
    tracemalloc.start()
    with pytest.raises(ManifestError) as caught:
        read_rows(tmp_path / "m.txt")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MAX_LINE
    assert [fault.line for fault in caught.value.faults] == [2, 3]
    assert "has 104,857,601 bytes; at most 1,048,576" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("[1]", "must be an object"),
        ("{'prompt': 1}", "is not valid JSON"),
        ('{"prompt": "a", "prompt": "b"}', "'prompt' is given more than once"),
        ('{"prompt": 5}', "prompt is 5; must be text"),
        ('{"prompt": "a", "seed": true}', "seed is True; must be a whole number"),
        ('{"prompt": "a", "guidance_scale": NaN}', "guidance_scale is nan; must be a finite number"),
        ('{"prompt": "a", "count": 0}', "count is 0; must be a whole number from 1"),
        ('{"prompt": "a", "image": "none.png"}', "none.png cannot be read"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_faults_of_json_lines(tmp_path: Path, line: str, fault: str) -> None:
    (text,) = faults(tmp_path, f'{{"prompt": "fine"}}\n{line}\n', "m.jsonl")
    assert text.startswith("line 2: ") and fault in text


def test_files_that_are_no_manifest_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*none.csv: No such file"):
        read_rows(tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"unknown kind of manifest '.png'"):
        read_rows(tmp_path / "none.png")


def test_identity_is_that_of_the_picture(tmp_path: Path) -> None:
    first, same, other, renamed = read(
        tmp_path, "id,prompt,seed,mood\na,a cat,1,x\nb,a cat,1,y\nc,a cat,2,x\nd,a dog,1,x\n"
    )
    again = read(tmp_path, "prompt,mood,seed,id\na cat,z,1,e\n")[0]
    assert again.key("model") == first.key("model")  # neither line, id nor own columns make a picture
    keys = {row.key("model") for row in (first, same, other, renamed)}
    assert len(keys) == 4
    assert first.key("another model") not in keys


def test_defaults_are_no_part_of_the_identity(tmp_path: Path) -> None:
    plain, spelt, true = read(
        tmp_path,
        "prompt,seed,num_steps,lossy_cache_interval,record\na,0,,,\na,0,25,1,false\na,0,,,true\n",
    )
    assert spelt.parameters == plain.parameters == true.parameters  # what is recorded changes no picture
    assert (plain.twin, spelt.twin, true.twin) == (0, 1, 2)
    said = json.dumps({"prompt": "a"}, sort_keys=True).encode()
    assert plain.parameters == hashlib.sha256(said).digest()  # whatever fields there will be


def test_defaults_are_for_rows_that_do_not_set_a_field(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("prompt,num_steps,record\na,3,\nb,,false\n")
    rows = read_rows(tmp_path / "m.csv", defaults={"num_steps": 7, "record": "grid"}).rows
    assert [row.request().num_steps for row in rows] == [3, 7]
    assert [row.request().record for row in rows] == ["grid", False]
    with pytest.raises(ManifestError, match=r"lines 2 and 3: width is 60; must be a multiple of 8"):
        read_rows(tmp_path / "m.csv", defaults={"width": 60})


def test_images_are_found_beside_the_manifest(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "in.png")
    (row,) = read(tmp_path, json.dumps({"prompt": "a", "image": "in.png", "strength": 0.5}), "m.jsonl")
    assert row.request().opened().width == 64
    Image.new("RGB", (64, 64), "red").save(tmp_path / "in.png")  # the key follows the pixels, not the name
    assert read(tmp_path, '{"prompt": "a", "image": "in.png", "strength": 0.5}', "m.jsonl")[0].key("") != (
        row.key("")
    )
