"""Exact batches: the same bytes whichever rows are packed together, also after stops and kills."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from limelight.app.cli import app
from limelight.app.load import LoadOptions
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.batch.run import Run, open_output
from limelight.pipeline.batch.stop import Stop
from limelight.pipeline.batch.world import World
from limelight.pipeline.sampling import engine
from tests.pipeline.batch.conftest import Draw, write_rows

ROWS = [f"a cat,{seed},{2 + seed % 3}" for seed in range(6)]
KILLS = 30


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}


def run_here(folder: Path, model: Path, *, exact: bool, max_rows: int = 2) -> Path:
    """Draws `ROWS` into a folder with a pipeline of its own."""
    manifest = write_rows(folder.parent / "m.csv", ROWS)
    pipe = TextToImagePipeline.from_pretrained(model, device="cpu", exact=exact, max_rows=max_rows)
    world = World(run=f"{exact}-{max_rows}")
    lock = open_output(folder, world)
    try:
        run = Run.begin(read_rows(manifest), folder, world, lock, pipe.engine)
        run.draw(Stop(), lambda left: None)
    finally:
        lock.leave()
    return folder


def test_an_exact_batch_has_the_same_bytes_whatever_is_packed_together(
    tmp_path: Path, sd_folder: Path
) -> None:
    alone = bytes_of(run_here(tmp_path / "alone", sd_folder, exact=True))
    assert len(alone) == len(ROWS)
    assert bytes_of(run_here(tmp_path / "packed", sd_folder, exact=True, max_rows=8)) == alone


def test_exact_pictures_are_not_those_of_an_ordinary_run(tmp_path: Path, sd_folder: Path) -> None:
    """Else a batch that is gone on with --exact would keep the others' bytes."""
    run_here(tmp_path / "out", sd_folder, exact=False)
    run_here(tmp_path / "out", sd_folder, exact=True)
    assert len(bytes_of(tmp_path / "out")) == 2 * len(ROWS)


@pytest.mark.parametrize(("exact", "expected"), [(True, 1), (False, 2)])
def test_an_exact_process_draws_with_one_thread_however_many_there_are(
    tmp_path: Path, sd_folder: Path, monkeypatch: pytest.MonkeyPatch, exact: bool, expected: int
) -> None:
    """Sums that threads share depend on their number: the default model shows it."""
    found: set[int] = set()
    predict = engine.predict
    monkeypatch.setattr(engine, "predict", lambda *a: (found.add(torch.get_num_threads()), predict(*a))[1])
    decode = engine.decode_with_notes
    monkeypatch.setattr(
        engine, "decode_with_notes", lambda *a: (found.add(torch.get_num_threads()), decode(*a))[1]
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run_here(tmp_path / "out", sd_folder, exact=exact)
        assert (found, torch.get_num_threads()) == ({expected}, 2)
    finally:
        torch.set_num_threads(before)


def test_the_command_takes_exact(tmp_path: Path, sd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    load = LoadOptions.load
    monkeypatch.setattr(LoadOptions, "load", lambda self: (taken.append(self.exact), load(self))[1])
    write_rows(tmp_path / "m.csv", ROWS[:1])
    words = ["batch", str(tmp_path / "m.csv"), "-o", str(tmp_path / "out"), "--model", str(sd_folder)]
    assert CliRunner().invoke(app, [*words, "--exact", "--dry-run"]).exit_code == 0
    assert taken == [True]


@pytest.mark.slow
def test_thirty_kills_over_60_rows_leave_every_row_once_with_the_same_bytes(
    tmp_path: Path, start: Draw, draw: Callable[..., tuple[int, str]]
) -> None:
    rows = [f"a {colour} cat,{seed},2" for seed in range(30) for colour in ("red", "green")]
    manifest, rng = write_rows(tmp_path / "m.csv", rows), np.random.default_rng(0)
    whole, out = tmp_path / "whole", tmp_path / "out"
    options = {"load": LoadOptions(device="cpu", exact=True), "workers": 1}
    code, said = draw(manifest, whole, patience=900, **options)
    assert code == 0, said
    kills = 0
    while kills < KILLS:
        process = start(manifest, out, **options)
        aim = len(bytes_of(out)) + int(rng.integers(0, 3))
        while process.is_alive() and len(bytes_of(out)) < min(aim, len(rows)):
            process.join(0.01)
        process.join(float(rng.uniform(0, 0.3)))
        kills += process.is_alive()
        process.kill()
        process.join()
        if len(bytes_of(out)) == len(rows):
            break
    assert kills >= KILLS // 2
    assert draw(manifest, out, patience=900, **options)[0] == 0
    journals = (out / "journal").glob("*.jsonl")
    lines = [
        json.loads(line) for path in journals for line in path.read_text().splitlines() if line[-1:] == "}"
    ]
    done = [line["done"] for line in lines if "done" in line]
    assert len(done) == len(set(done)) == len(rows)
    assert bytes_of(out) == bytes_of(whole)
