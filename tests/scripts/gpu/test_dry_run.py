"""The check with tiny sizes on a CPU: all parts have findings, and every line of them runs."""

import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch

from limelight.attention import attend, get
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import OutOfMemory
from scripts.gpu.parts import (
    adapters,
    backends,
    batch,
    compiled,
    engine,
    kernel,
    memory,
    peaks,
    profile,
    recording,
    suspects,
    unet,
)
from scripts.gpu.table import PARTS
from scripts.gpu.tools import models
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding
from tests.scripts.gpu.lines import Watch

pytestmark = pytest.mark.long

MODULES = (
    *(adapters, backends, batch, engine, kernel, memory, peaks, profile, recording, suspects, unet),
    models,
)
ASKED = [name for name in PARTS if (name != "a" and not name.startswith("d")) or name == "d"]
CPU = Card(torch.device("cpu"))
Dry = tuple[dict[str, list[Finding]], dict[str, list[int]]]


def never() -> float:
    return time.time() + 10_000


def watch_of(modules: tuple[ModuleType, ...]) -> Watch:
    return Watch([Path(str(module.__file__)) for module in modules])


def fails(*_: object, **__: object) -> Any:
    raise RuntimeError("out of memory")


def fails_for_memory(*_: object, **__: object) -> Any:
    raise torch.OutOfMemoryError("out of memory")


@pytest.fixture(scope="module")
def dry() -> Dry:
    """The findings of each part, and the lines that neither the part nor a stand-in for a GPU runs."""
    watch = watch_of(MODULES)
    with watch.watching(), pytest.MonkeyPatch.context() as patch:
        found = {name: [*PARTS[name].measure()(CPU, tiny=True, until=never())] for name in ASKED}
        only_on_a_gpu(patch)
    return found, watch.missing()


def only_on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """Runs branches that no CPU reaches, with stand-ins for the GPU."""
    pipe = models.pipeline(CPU.device, torch.float32, tiny=True)
    with patch.context() as inner:
        inner.setattr(torch.cuda, "device_count", lambda: 2)
        inner.setattr(suspects, "TextToImagePipeline", Always(pipe))
        inner.setattr(models, "TextToImagePipeline", Always(pipe))
        assert [found.verdict for found in suspects.second_gpu()] == ["right", "right"]
        assert models.default_pipeline(CPU.device, torch.float32, tiny=False) is pipe
    with patch.context() as inner:  # a backend that accepts and breaks, and a kernel that does
        inner.setattr(backends, "attend", lambda *x, backend, **o: Flaky.attend(*x, backend=backend, **o))
        some = backends.of_case(CPU, "", backends.TINY["tiny"], torch.float32)
        assert "wrong" in {found.verdict for found in some}
        of_size = partial(kernel.of_size, CPU, dtype=torch.float32, dim=8, num_keys=5, page=5)
        assert of_size(replace(get("math"), cross=fails)).verdict == "wrong"
        assert of_size(get("triton")).verdict == "refused"
    assert [found.verdict for found in kernel.measure(CPU, tiny=False, until=0)] == ["refused"]
    with patch.context() as inner:  # no time
        inner.setattr(unet, "compare", lambda *_: Finding("", "right"))
        assert "failed" in {found.verdict for found in unet.measure(CPU, tiny=True, until=0)}
        inner.setattr(engine, "pipelines", lambda *_, **__: {"tiny": pipe})
        assert "failed" in {found.verdict for found in engine.measure(CPU, tiny=True, until=0)}
    with patch.context() as inner:  # no memory
        inner.setattr(memory, "find_max_rows", fails)
        assert memory.probed(CPU, pipe).verdict == "wrong"
        with patch.context() as never_fits:
            never_fits.setattr(type(pipe.model.unet), "forward", fails_for_memory)
            with pytest.raises(OutOfMemory):
                memory.drawn(pipe, memory.asked(1))
        with patch.context() as nothing_drawn:
            nothing_drawn.setattr(memory, "drawn", fails)
            assert memory.halved(CPU, pipe, 2, {1: 0, 2: 0}).verdict == "wrong"
        some = memory.in_turns(CPU, Broken(pipe, failing=(4, 5)))  # type: ignore[arg-type]
        assert [found.verdict for found in some] == ["wrong", "wrong", "measured"]
        inner.setattr(models.Call, "to", fails)
        theirs, ours = unet.both(unet.TINY_SIZES[0], CPU, torch.float32)
        assert unet.compare(CPU, unet.TINY_SIZES[0], theirs, ours, torch.float32).verdict == "failed"
    theirs = MagicMock()
    assert [found.verdict for found in unet._xformers(CPU, theirs, theirs)] == ["measured"]
    theirs.disable_xformers_memory_efficient_attention.assert_called_once_with()
    with patch.context() as inner:
        for name in ("said_kernel", "in_thread", "decoded_in_thread"):
            inner.setattr(suspects, name, fails)
        assert "wrong" in {found.verdict for found in suspects.measure(CPU, tiny=True, until=never())}
    with pytest.raises(RuntimeError):
        suspects.in_another_thread(fails)


def test_every_part_finds_something(dry: Dry) -> None:
    assert {name for name, each in dry[0].items() if not each} == set()


def test_nothing_is_wrong(dry: Dry) -> None:
    bad = [
        (name, each) for name, some in dry[0].items() for each in some if each.verdict in ("wrong", "failed")
    ]
    assert [each for name, each in bad if "xformers" not in each.case] == []  # it computes on GPUs alone


def test_every_line_of_every_part_is_run(dry: Dry) -> None:
    assert dry[1] == {}


@pytest.mark.compile
@pytest.mark.slow
def test_every_line_of_the_compiled_part_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()
    watch = watch_of((compiled,))
    with watch.watching():
        found = [*compiled.measure(CPU, tiny=True, until=never())]
        assert {each.verdict for each in found} == {"measured"}
        assert all(each.numbers["off by"] < 1e-5 for each in found if "off by" in each.numbers)
        assert "failed" in {each.verdict for each in compiled.measure(CPU, tiny=True, until=0)}
        monkeypatch.setattr(compiled, "made", fails)
        assert "wrong" in {each.verdict for each in compiled.measure(CPU, tiny=True, until=never())}
        monkeypatch.setattr(compiled, "of_size", lambda *_, **__: iter(()))
        assert not [*compiled.measure_large(CPU, tiny=True, until=0)]
        assert not [*compiled.measure_documented(CPU, tiny=True, until=0)]
    assert watch.missing() == {}


class Flaky:
    """Attention that sdpa breaks."""

    @staticmethod
    def attend(*tensors: torch.Tensor, backend: str, **options: Any) -> torch.Tensor:
        return fails() if backend == "sdpa" else attend(*tensors, backend=backend, **options)


class Always:
    """Gives one pipeline, whatever it is asked for."""

    def __init__(self, pipe: TextToImagePipeline) -> None:
        self.pipe = pipe

    def from_pretrained(self, **_: object) -> TextToImagePipeline:
        return self.pipe


class Broken:
    """A pipeline of which some calls fail."""

    def __init__(self, pipe: TextToImagePipeline, failing: tuple[int, ...]) -> None:
        self.pipe, self.failing, self.count = pipe, failing, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipe, name)

    def __call__(self, asked: Any) -> Any:
        self.count += 1
        return fails() if self.count in self.failing else self.pipe(asked)
