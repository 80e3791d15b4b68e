"""Rows that cannot be drawn, disks that are full, folders that are gone; on a tiny model, in this process."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.app.commands.batch import BatchOptions, draw_manifest
from limelight.app.load import LoadOptions
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.batch.errors import OutputLost, WorldError
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.run import Run, open_output
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World, join
from limelight.pipeline.errors import OutputError, UsageError
from tests.pipeline.batch.conftest import pictures, write_rows

ROWS = [f"a cat,{seed},2" for seed in range(6)]


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=4)


def run_here(
    pipe: TextToImagePipeline, manifest: Path, output: Path, report: Callable[[int], None] = lambda left: None
) -> Run:
    world = World(run=f"{np.random.default_rng().integers(2**60):x}")
    lock = open_output(output, world)
    try:
        run = Run.begin(read_rows(manifest), output, world, lock, pipe.engine)
        run.draw(Stop(), report)
        return run
    finally:
        lock.leave()


def test_a_row_of_nan_fails_alone_and_is_tried_again(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    forward, first = pipe.model.unet.forward, torch.Generator("cpu").manual_seed(3)
    bad = torch.randn((1, *pipe.model.latent_shape(16, 16)), generator=first)[0, 0, 0, 0]

    def poisoned(x: torch.Tensor, *arguments: object, **options: object) -> torch.Tensor:
        out = forward(x, *arguments, **options)
        out[x[:, 0, 0, 0] == bad] = float("nan")
        return out

    with monkeypatch.context() as patch:
        patch.setattr(pipe.model.unet, "forward", poisoned)
        run = run_here(pipe, manifest, tmp_path / "out")
    (reason,) = run.failed.values()
    assert "NaN or infinity in prediction 1 of 2" in reason
    assert run.num_done == 5 and len(list((tmp_path / "out").glob("*.png"))) == 5
    page = (tmp_path / "out" / "index.html").read_text()
    assert "1 failed" in page and "NaN or infinity" in page

    again = run_here(pipe, manifest, tmp_path / "out")
    assert (again.num_done, again.failed) == (6, {})
    assert "failed" not in (tmp_path / "out" / "index.html").read_text()


def test_a_picture_of_one_colour_is_flagged(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    conv = pipe.model.vae.decoder.conv_out
    monkeypatch.setattr(conv, "forward", lambda x: x.new_zeros((len(x), 3, *x.shape[2:])))
    run = run_here(pipe, write_rows(tmp_path / "m.csv", ROWS[:2]), tmp_path / "out")
    assert len(run.constant) == 2
    table = parquet.read_table(tmp_path / "out" / "index.parquet").to_pylist()
    assert [row["is_constant"] for row in table] == [True, True]
    assert "a single colour" in (tmp_path / "out" / "index.html").read_text()


def test_the_index_holds_every_row_and_removed_ones(tmp_path: Path, pipe: TextToImagePipeline) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    header = "id,prompt,seed,num_steps,mood,key"
    run_here(
        pipe, write_rows(tmp_path / "m.csv", ["a,<b>,1,2,calm,k", "b,y,2,2,,"], header), tmp_path / "out"
    )
    run_here(pipe, write_rows(tmp_path / "m.csv", ["a,<b>,1,2,calm,k"], header), tmp_path / "out")
    first, removed = parquet.read_table(tmp_path / "out" / "index.parquet").to_pylist()
    assert (first["id"], first["mood"], first["own_key"], first["status"]) == ("a", "calm", "k", "done")
    assert (first["seed"], first["prompt"]) == (1, "<b>")
    assert (removed["status"], removed["id"]) == ("removed", None)
    assert (tmp_path / "out" / removed["file"]).is_file()
    page = (tmp_path / "out" / "index.html").read_text()
    assert "&lt;b&gt;" in page and "<b>" not in page


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 KB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_the_run_without_partial_files(
    tmp_path: Path, pipe: TextToImagePipeline, small_disk: Path
) -> None:
    manifest = write_rows(tmp_path / "m.csv", [f"a cat,{seed},1" for seed in range(60)])
    output = small_disk / "out"
    with pytest.raises(OutputLost, match="No space left on device"):
        run_here(pipe, manifest, output)
    whole = pictures(output)
    assert 0 < len(whole) < 60
    assert not list(output.glob(".*.tmp"))
    shutil.copytree(output, tmp_path / "out")  # more room
    run = run_here(pipe, manifest, tmp_path / "out")
    assert run.num_done == 60
    done = [
        json.loads(line)["done"]
        for line in (tmp_path / "out" / "journal" / "0000.jsonl").read_bytes().split(b"\n")
        if line.startswith(b'{"done"') and line.endswith(b"}")
    ]
    assert len(set(done)) == 60


def test_a_folder_that_goes_away_stops_the_run(tmp_path: Path, pipe: TextToImagePipeline) -> None:
    output = tmp_path / "out"
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    with pytest.raises(OutputLost, match=r"is gone; (it|its folder) was removed"):
        run_here(pipe, manifest, output, lambda left: shutil.rmtree(output, ignore_errors=True))
    assert not pictures(output)  # it is not made again and filled


def test_no_model_is_loaded_if_nothing_can_be_written(tmp_path: Path) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    (tmp_path / "file").write_text("")
    for output, message in (
        (tmp_path / "file", "a file; give a folder"),
        (Path("/proc/out"), "cannot write"),
    ):
        with pytest.raises(OutputError, match=message):
            load = LoadOptions(model="/there/is/none")
            draw_manifest(BatchOptions(manifest=manifest, output=output, load=load))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "rai"}, "unknown engine 'rai' (did you mean 'ray'?)"),
        ({"max_batch": 0}, "max-batch is 0; must be from 1 to 1024"),
        ({"workers": 0}, "workers is 0; must be from 1 to 256"),
        ({"load": LoadOptions(model="/there/is/none")}, "/there/is/none does not exist; give a folder"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    manifest = write_rows(tmp_path / "m.csv", ROWS)
    with pytest.raises(UsageError) as caught:
        draw_manifest(BatchOptions(manifest=manifest, output=tmp_path / "out", **options))
    assert message in str(caught.value)


def test_requests_that_the_model_cannot_draw_are_reported_for_all_rows(
    tmp_path: Path, pipe: TextToImagePipeline
) -> None:
    manifest = write_rows(tmp_path / "m.csv", ["a,1", "b,9", "c,8"], "prompt,clip_skip")
    with pytest.raises(UsageError) as caught:
        run_here(pipe, manifest, tmp_path / "out")
    assert str(caught.value).splitlines()[1:] == [
        "line 3: clip_skip is 9; must be from 1 to 2 for this model",
        "line 4: clip_skip is 8; must be from 1 to 2 for this model",
    ]


def test_more_or_fewer_processes_than_asked_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(WorldError, match="workers is 2 and 3 processes were started"):
        join(2)
