"""Times recording and measures what it keeps: `python -m scripts.benchmark recording`.

A U-Net of SD1.5's size with random weights predicts guided steps with two rows, negative and prompt; the
prompt's row is recorded. The ways take turns. Share: processor time inside the recorder over that of the
rest of the same call, which other work on the machine hardly touches (on a CPU: a GPU works on after the
call returns). Ratio: the median call over that without a recorder, by the clock. Kept: memory after all
steps, divided by them.

DAAM's rule: a running float32 sum of every head's probabilities at the sites of the way down and up, at the
end enlarged to the latent's grid and averaged (Tang et al. 2023, arXiv:2210.04885); its sums do not grow
with the steps. Everything: every probability of both rows, in half precision.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from limelight.attention import AttentionRuntime, Recorder, plan
from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Grid, Recording
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import read_config
from scripts.benchmarks.tools.models import SD1
from scripts.benchmarks.tools.report import Section

TITLE = "Recording"
DEVICES = ("cpu", "cuda")
QUICK = {"steps": 2}
MIB = 2**20
NUM_TOKENS = 77
EVERY = Extras(steps=True, values=True, refined=True, points=((0.5, 0.5),))


@dataclass(slots=True)
class Timed:
    """A recorder around another, with the time that it takes."""

    inner: Recorder
    seconds: float = 0.0

    def record(self, *arguments: Any, **options: Any) -> None:
        start = time.process_time()
        self.inner.record(*arguments, **options)
        self.seconds += time.process_time() - start

    def record_self(self, *arguments: Any, **options: Any) -> None:
        start = time.process_time()
        self.inner.record_self(*arguments, **options)
        self.seconds += time.process_time() - start


@dataclass(slots=True)
class Daam:
    """Sums as DAAM keeps them."""

    sums: dict[str, Tensor] = field(default_factory=dict)

    def record(
        self, site: str, q: Tensor, k: Tensor, v: Tensor, *, scale: float, grid: Grid, out_weight: Tensor
    ) -> None:
        if not site.startswith("mid_block"):
            maps = probabilities(q[-1], k[-1], scale=scale).mT.unflatten(-1, grid)  # h m height width
            self.sums[site] = self.sums[site] + maps if site in self.sums else maps

    def record_self(self, site: str, q: Tensor, k: Tensor, *, scale: float, grid: Grid) -> None:
        pass

    def finish(self) -> None:
        side = max(maps.shape[-1] for maps in self.sums.values())
        for maps in self.sums.values():
            F.interpolate(maps, size=(side, side), mode="bicubic").clamp(min=0).mean(0)

    def kept(self) -> int:
        return _bytes(list(self.sums.values()))


@dataclass(slots=True)
class Everything:
    """Every probability of every row and step."""

    maps: list[Tensor] = field(default_factory=list)

    def record(
        self, site: str, q: Tensor, k: Tensor, v: Tensor, *, scale: float, grid: Grid, out_weight: Tensor
    ) -> None:
        self.maps += [probabilities(*row, scale=scale).half() for row in zip(q, k, strict=True)]

    def record_self(self, site: str, q: Tensor, k: Tensor, *, scale: float, grid: Grid) -> None:
        pass

    def finish(self) -> None:
        pass

    def kept(self) -> int:
        return _bytes(self.maps)


@dataclass(slots=True)
class Limelight:
    """A recording of the prompt's row, with a new recorder for each step."""

    recording: Recording
    rows: RowRecorder | None = None

    def begin(self) -> RowRecorder:
        self.rows = RowRecorder([None, self.recording])
        return self.rows

    def finish(self) -> None:
        assert self.rows is not None
        self.rows.commit()

    def kept(self) -> int:
        return _held(self.recording)


Way = Daam | Everything | Limelight


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", type=int, default=256, help="of the picture, in pixels")
    parser.add_argument("--steps", type=int, default=3, help="steps of each run; the first is not counted")
    parser.add_argument("--dtype", default="float32")


def measure(options: argparse.Namespace) -> Iterator[Section]:
    columns = ("way", "share", "ratio", "kept, MiB per step", "prediction")
    yield Section(f"{options.size} px, {options.dtype}", columns=columns, rows=_rows(options))


@torch.inference_mode()
def _rows(options: argparse.Namespace) -> list[list[str]]:
    torch.manual_seed(0)
    with torch.device(options.device):
        unet = UNet(read_config(SD1)).to(getattr(torch, options.dtype)).eval()
    side = options.size // 8
    specs = unet.attention_specs(side, side, NUM_TOKENS, batch=2)
    chosen = plan(specs, {site.name: site.kind for site in unet.sites}, None)
    backends = {name: choice.backend for name, choice in chosen.items()}
    place = {"device": options.device, "dtype": unet.dtype}
    x, context = torch.randn(2, 4, side, side, **place), torch.randn(2, NUM_TOKENS, 768, **place)

    ways: dict[str, Way | None] = {"off": None}
    ways |= {level: Limelight(Recording(level, NUM_TOKENS)) for level in ("grid", "site", "head")}
    ways["head, every extra"] = Limelight(Recording("head", NUM_TOKENS, EVERY))
    ways |= {"DAAM's rule": Daam(), "everything": Everything()}
    results: dict[str, list[Result]] = {name: [] for name in ways}
    for step in range(options.steps):
        timesteps = torch.full((2,), 900 - step, device=options.device)
        for name, way in ways.items():

            def call(recorder: Timed | None, timesteps: Tensor = timesteps) -> Tensor:
                return unet(x, timesteps, context, attention=AttentionRuntime(backends, recorder))

            results[name].append(_call(call, way, options.device))
            print(step, name, results[name][-1], file=sys.stderr, flush=True)
    return [_row(name, way, results[name], results["off"]) for name, way in ways.items()]


@dataclass(frozen=True, slots=True)
class Result:
    """One call."""

    seconds: float  # by the clock
    share: float  # time of the recorder over that of the rest
    prediction: Tensor = field(repr=False)


def _call(call: Callable[[Timed | None], Tensor], way: Way | None, device: str) -> Result:
    timed = None
    if way is not None:
        timed = Timed(way.begin() if isinstance(way, Limelight) else way)
    start, busy = time.perf_counter(), time.process_time()
    prediction = call(timed)
    finish = time.process_time()
    if isinstance(way, Limelight):
        way.finish()
    if device == "cuda":
        torch.cuda.synchronize()
    seconds, total = time.perf_counter() - start, time.process_time() - busy
    inside = 0.0 if timed is None else timed.seconds + time.process_time() - finish
    return Result(seconds, inside / (total - inside), prediction)


def _row(name: str, way: Way | None, results: list[Result], off: list[Result]) -> list[str]:
    once = ""
    if isinstance(way, Daam):
        start = time.process_time()
        way.finish()
        once = f", and once {time.process_time() - start:.2f} s to enlarge"
    share = statistics.median(r.share for r in results[1:])
    ratio = statistics.median(r.seconds for r in results[1:]) / statistics.median(r.seconds for r in off[1:])
    kept = 0.0 if way is None else way.kept() / MIB / len(results)
    same = all(torch.equal(r.prediction, o.prediction) for r, o in zip(results, off, strict=True))
    prediction = "the same" if same else "ANOTHER"
    return [f"{name}{once}", f"{share:.2%}", f"{ratio:.3f}", f"{kept:.2f}", prediction]


def _held(recording: Recording) -> int:
    own = [t for step in [*recording.steps, *recording.site_steps] for t in step.values()]
    own += [*recording.totals.values(), *recording.sums.values()]
    return _bytes(own) + sum(_held(view) for view in recording.views.values())


def _bytes(tensors: list[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)
