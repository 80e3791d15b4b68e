"""Times a batch of the default model, from manifest to PNG files: pictures a second, and the time of each
stage.

The same requests are sampled alone, sampled and decoded, and run as a batch: the differences are what
decoding and saving add.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.batch.capacity import find_max_rows
from limelight.pipeline.results.png import save_png
from limelight.pipeline.results.result import Result
from scripts.benchmarks.batch import run
from scripts.benchmarks.tools.shares import Places, shares
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import default_pipeline

PICTURES, TINY_PICTURES = 256, 2
STEPS, TINY_STEPS = 25, 2
FILES = 10
ROWS, TINY_ROWS = (16, 64, 128), (4,)
PLACES: Places = {
    ("pipeline/sampling/predict.py", "predict"): "U-Net, and waiting for it",
    ("pipeline/sampling/engine.py", "add"): "prompts and noise",
    ("pipeline/sampling/engine.py", "_advance"): "schedulers",
    ("batch/claims.py", "claim"): "claims",
    ("batch/writer.py", "put"): "waiting for the writer",
    ("batch/writer.py", "drain"): "waiting for the last to be saved",
    ("batch/run.py", "_sum_up"): "index and gallery",
}


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    pictures, steps = (TINY_PICTURES, TINY_STEPS) if tiny else (PICTURES, STEPS)
    pipe = default_pipeline(card.device, card.dtypes[0], tiny=tiny)
    asked = [
        GenerationRequest(prompt="a red apple on a blue background", seed=seed, num_steps=steps)
        for seed in range(pictures)
    ]
    found = find_max_rows(pipe.engine, pipe.engine.resolve(asked[0]))
    yield Finding("the number that is chosen", "measured", {"rows": found})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = folder / "manifest.csv"
        lines = [f"{request.prompt},{request.seed},{request.num_steps}" for request in asked]
        manifest.write_text("\n".join(["prompt,seed,num_steps", *lines]))
        for rows in TINY_ROWS if tiny else ROWS:
            pipe.engine.max_rows = rows
            yield from of_rows(card, pipe, asked, manifest, folder / str(rows))
        yield saving(pipe(asked[0]), folder)


def of_rows(
    card: Card, pipe: TextToImagePipeline, asked: list[GenerationRequest], manifest: Path, folder: Path
) -> Iterator[Finding]:
    folder.mkdir()
    case = f"{len(asked)} pictures of {asked[0].num_steps} steps, {pipe.engine.max_rows} rows"
    sample(pipe, asked[: pipe.engine.max_rows], decodes=True)  # warm-up
    spent = {
        "sampled": card.wall(partial(sample, pipe, asked, decodes=False)),
        "sampled and decoded": card.wall(partial(sample, pipe, asked, decodes=True)),
        "batch, from manifest to files": card.wall(partial(run, pipe, manifest, folder / "out")),
    }
    for name, seconds in spent.items():
        numbers = {"pictures/s": len(asked) / seconds, "of sampled": seconds / spent["sampled"]}
        yield Finding(f"{case}, {name}", "measured", numbers)
    words = shares(partial(run, pipe, manifest, folder / "again"), PLACES)
    yield Finding(f"{case}, the main thread under a profiler", "measured", {}, words)


def sample(pipe: TextToImagePipeline, asked: list[GenerationRequest], *, decodes: bool) -> None:
    """Samples as a batch does, in one thread and without writing files."""
    session, waiting = pipe.engine.session(later=True), list(reversed(asked))
    while waiting or session.is_busy:
        while waiting and session.free_rows > 0:
            session.add(waiting.pop())
        for step in session.step():
            if decodes and step.finish is not None:
                step.finish()


def saving(result: Result, folder: Path) -> Finding:
    """Seconds that one file takes to be encoded and written."""
    times = []
    for number in range(FILES):
        start = time.perf_counter()
        save_png(result.image, dict(result.info), folder / f"{number}.png")
        times.append(time.perf_counter() - start)
    return Finding("saving one PNG", "measured", {"ms": 1000 * statistics.median(times)})
