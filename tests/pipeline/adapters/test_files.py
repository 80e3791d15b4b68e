import hashlib
from pathlib import Path

import pytest

from limelight.pipeline.adapters.files import AdapterFile, parse_embedding, parse_lora, recorded_files
from limelight.pipeline.errors import AdapterError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "style.safetensors").write_bytes(b"style")
    return tmp_path / "style.safetensors"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def recorded(path: Path, **fields: object) -> dict[str, object]:
    return {"kind": "lora", "name": "mine", "file": path.name, "sha256": sha256(path), "weight": 0.8} | fields


@pytest.mark.parametrize(
    ("suffix", "weight"), [("", 1.0), (":0.8", 0.8), (":-1", -1.0), (":1e-1", 0.1), (":.5", 0.5)]
)
def test_a_weight_may_follow_the_file(file: Path, suffix: str, weight: float) -> None:
    assert parse_lora(f"{file}{suffix}") == AdapterFile(kind="lora", path=file, weight=weight)


def test_a_colon_may_belong_to_the_name(tmp_path: Path) -> None:
    (tmp_path / "a:2").write_bytes(b"")
    assert parse_lora(f"{tmp_path}/a:2").path.name == "a:2"
    assert parse_lora(f"{tmp_path}/a:2:0.5").weight == 0.5
    with pytest.raises(AdapterError, match=r"a:b does not exist; give a .safetensors file, or a folder"):
        parse_lora(f"{tmp_path}/a:b")


@pytest.mark.parametrize("weight", ["nan", "inf", "11", "-10.1"])
def test_a_weight_out_of_range_is_refused(file: Path, weight: str) -> None:
    with pytest.raises(AdapterError) as refusal:
        parse_lora(f"{file}:{weight}")
    assert str(refusal.value) == f"the weight of a LoRA is {float(weight)}; must be from -10 to 10"


def test_a_folder_means_the_file_in_it(file: Path) -> None:
    assert parse_lora(str(file.parent)).path == file
    with pytest.raises(
        AdapterError, match=r"does not exist; give the .safetensors file of a textual inversion"
    ):
        parse_embedding(str(file.parent))


def test_recorded_files_are_found_by_content(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "renamed.safetensors"
    moved.write_bytes(b"word")
    given = [AdapterFile(kind="embedding", path=moved), AdapterFile(kind="lora", path=file, weight=0.1)]
    found = recorded_files([recorded(file), recorded(moved, kind="embedding", name="<toy>", weight=1)], given)
    assert found == (
        AdapterFile(kind="lora", path=file, weight=0.8, name="mine"),
        AdapterFile(kind="embedding", path=moved, name="<toy>"),
    )
    assert recorded_files([], []) == ()


def test_a_missing_file_is_asked_for_by_name_and_hash(file: Path) -> None:
    for kind, option in (("lora", "--lora"), ("embedding", "--embedding")):
        with pytest.raises(AdapterError) as refusal:
            recorded_files([recorded(file, kind=kind)], [])
        assert str(refusal.value) == (
            f"drawn with the {kind} 'mine': style.safetensors, sha256 {sha256(file)[:12]}; "
            f"say where that file is with {option}"
        )


def test_a_file_that_was_not_used_is_refused(file: Path) -> None:
    with pytest.raises(AdapterError) as refusal:
        recorded_files([], [AdapterFile(kind="lora", path=file)])
    assert str(refusal.value) == (
        f"{file} (sha256 {sha256(file)[:12]}) is no lora of this picture; leave it out"
    )


@pytest.mark.parametrize(
    "adapters", ["x", [1], [{}], [{"kind": "pickle"}], [{"kind": "lora", "weight": "x"}], None]
)
def test_a_malformed_record_is_refused(adapters: object) -> None:
    with pytest.raises(AdapterError, match="the record"):
        recorded_files(adapters, [])
