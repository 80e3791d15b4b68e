"""The payload for a machine without a network, and the page made of its results."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.gpu import collect, payload
from scripts.gpu.tools.findings import Finding, Lines
from scripts.gpu.tools.shards import INDEX, ShardError, join, split


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads become wheels that are made here; `old` needs another torch."""

    def download(wanted: str, folder: Path, python: str) -> None:
        name = wanted.partition("==")[0]
        needs = "torch<2.11" if name == "old" else "torch>=2.10"
        text = f"Name: {name}\nRequires-Dist: {needs}\nRequires-Dist: numpy\nRequires-Dist: x; extra == 'a'\n"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", text)

    monkeypatch.setattr(payload, "download", download)
    monkeypatch.setattr(payload, "repository_bytes", lambda leave_out: 1000 - 10 * len(leave_out))


@pytest.mark.usefixtures("no_network")
def test_wheels_and_added_files_are_packed_with_their_hashes(tmp_path: Path, capsys: Any) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "world.bin").write_bytes(b"1")
    single = tmp_path / "one.bin"
    single.write_bytes(b"2")
    out = tmp_path / "out"
    asked = [str(out), "--packages", "diffusers,b", "--add", str(data), "--add", str(single)]
    assert payload.main(asked) == 0
    assert payload.main(asked) == 0  # its own folder may be made again
    entries = json.loads((out / payload.MANIFEST).read_text())
    assert sorted(entries) == [
        "b-1.0-py3-none-any.whl",
        "data/world.bin",
        "diffusers-1.0-py3-none-any.whl",
        "one.bin",
    ]
    assert entries["one.bin"]["bytes"] == 1
    assert "the machine must have: numpy, torch>=2.10" in capsys.readouterr().out


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--packages", "old"], "old-1.0-py3-none-any.whl needs torch<2.11; the machine has 2.11.0"),
        (
            ["--packages", "a", "--add", "/no/such/file"],
            "--add /no/such/file: there is no such file or folder",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, arguments: list[str], words: str) -> None:
    with pytest.raises(payload.PayloadError, match=words):
        payload.main([str(tmp_path / "out"), *arguments])


@pytest.mark.usefixtures("no_network")
def test_too_much_and_a_folder_of_somebody_else_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(payload.PayloadError, match="is not empty and was not made by this script"):
        payload.main([str(tmp_path)])
    monkeypatch.setattr(payload, "LIMIT", 1000)
    with pytest.raises(payload.PayloadError, match="together at most 0: add less, or name fewer packages"):
        payload.main([str(tmp_path / "out"), "--packages", "a"])


def test_the_repository_leaves_room_for_the_wheels() -> None:
    if not (payload.ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert 2**20 < payload.repository_bytes() < payload.LIMIT - 12 * 2**20
    model = sum(path.stat().st_size for path in (payload.ROOT / "pipeline/default_model").rglob("*.*"))
    left = payload.repository_bytes(["pipeline/default_model"])
    assert payload.repository_bytes() - left == pytest.approx(model, rel=0.01)


def test_the_version_is_the_installed_one() -> None:
    assert payload.pinned("pytest") == f"pytest=={pytest.__version__}"
    assert payload.pinned("no-such-package") == "no-such-package"


def test_files_in_pieces_are_whole_again_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(bytes(range(250)))
    pieces = split([file], tmp_path / "back", most=100)
    assert [path.name for path in pieces] == ["model.bin.000", "model.bin.001", "model.bin.002", INDEX]
    (whole,) = join(tmp_path / "back", tmp_path / "run")
    assert whole.read_bytes() == file.read_bytes()
    pieces[1].write_bytes(b"x" * 100)
    with pytest.raises(ShardError, match="copy its pieces again"):
        join(tmp_path / "back", tmp_path / "run")
    pieces[1].unlink()
    with pytest.raises(ShardError, match=r"model.bin is in 3 pieces; model.bin.001 is not in"):
        join(tmp_path / "back", tmp_path / "run")


def a_run(folder: Path, device: str, ratio: float) -> Path:
    folder.mkdir()
    lines = Lines(folder)
    lines.event("", "facts", device=device, torch="2.11.0", command="python -m scripts.gpu.check")
    for value in (9.0, ratio):  # the part ran twice
        lines.event("d", "begun", until=0)
        lines.write("d", Finding("SD1.5 512, 8, float16, ours", "measured", {"of diffusers": value}))
    return folder


def test_a_page_has_device_command_tables_of_the_last_run_and_a_plot(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "x-gpu.md"
    first, second = a_run(tmp_path / "a", "A card", 0.5), a_run(tmp_path / "b", "A card", 0.75)
    assert collect.main([str(first), str(second), "-o", str(page), "--title", "Here"]) == 0
    text = page.read_text()
    assert text.startswith("# Here\n\ndevice A card, torch 2.11.0.\n\n    python -m scripts.gpu.check\n")
    assert text.count("device A card") == 1
    assert "| SD1.5 512, 8, float16, ours | measured | 0.75 |" in text
    assert "9" not in text.partition("## ")[2]
    assert "![the ratios, as bars](x-gpu.svg)" in text
    assert "ours" in page.with_suffix(".svg").read_text()


def test_without_results_it_says_so_unless_files_were_joined(tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        collect.main([str(tmp_path)])
    assert "no results.jsonl in" in capsys.readouterr().err
    file = tmp_path / "model.bin"
    file.write_bytes(b"abc")
    split([file], tmp_path / "back")
    assert collect.main([str(tmp_path / "back"), "--join", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "model.bin").read_bytes() == b"abc"
    (tmp_path / "back" / "model.bin.000").unlink()
    with pytest.raises(SystemExit):
        collect.main([str(tmp_path / "back"), "--join", str(tmp_path / "run")])
    assert "is not in" in capsys.readouterr().err


def test_standard_output_gets_the_page_where_no_file_is_named(tmp_path: Path, capsys: Any) -> None:
    assert collect.main([str(a_run(tmp_path / "a", "A card", 0.5))]) == 0
    assert "## A prediction of the U-Net" in capsys.readouterr().out
