"""The check with tiny sizes on a CPU: all parts find something, and every line of theirs is run."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from scripts.gpu import worker
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
    suite,
    suspects,
    unet,
)
from scripts.gpu.table import PARTS
from scripts.gpu.tools import models
from scripts.gpu.tools.card import Card
from scripts.gpu.tools.findings import Finding, Lines, findings
from tests.scripts.gpu.lines import Watch

MODULES = (
    *(adapters, backends, batch, compiled, engine, kernel, memory, peaks, profile, recording, suite, suspects),
    *(unet, models),
)
ASKED = [name for name in PARTS if name not in ("dx", "dm")]  # those are `dc` at other sizes
NEVER = time.time() + 10_000
CPU = Card(torch.device("cpu"))


@pytest.fixture(scope="module")
def dry(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Finding]], dict[str, list[int]]]:
    """What each part finds, and the lines that were not run, by all parts and by what only a GPU has."""
    torch._dynamo.reset()
    lines = Lines(tmp_path_factory.mktemp("dry"))
    watch = Watch([Path(str(module.__file__)) for module in MODULES])
    with watch.watching(), pytest.MonkeyPatch.context() as patch:
        assert worker.run(ASKED, lines, NEVER, tiny=True) == 0
        only_on_a_gpu(patch)
    read = lines.read()
    return {name: findings(read, name) for name in ASKED}, watch.missing()


def only_on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """Branches that no CPU reaches, with what reaches them stood in for."""
    broken = Card(torch.device("cpu"))

    def fails(*_: object, **__: object) -> Any:
        raise RuntimeError("out of memory")

    with patch.context() as inner:
        tiny = models.pipeline(broken.device, torch.float32, tiny=True)
        inner.setattr(torch.cuda, "device_count", lambda: 2)
        inner.setattr(suspects, "TextToImagePipeline", _Always(tiny))
        assert [found.verdict for found in suspects.second_gpu()] == ["right", "right"]
    with patch.context() as inner:
        inner.setattr(compiled, "of_size", lambda *_, **__: iter(()))
        assert not [*compiled.measure_large(CPU, tiny=True, until=NEVER)]
        assert not [*compiled.measure_documented(CPU, tiny=True, until=NEVER)]
    assert {found.verdict for found in compiled.measure(CPU, tiny=True, until=0)} == {"failed", "measured"}
    assert "failed" in {found.verdict for found in unet.measure(CPU, tiny=True, until=0)}
    assert "failed" in {found.verdict for found in engine.measure(CPU, tiny=True, until=0)}
    assert [found.verdict for found in kernel.measure(CPU, tiny=False, until=0)] == ["refused"]
    pipe = models.pipeline(CPU.device, torch.float32, tiny=True)
    with patch.context() as inner:
        inner.setattr(memory, "find_max_rows", fails)
        assert memory.probed(CPU, pipe).verdict == "wrong"
        some = memory.in_turns(CPU, _Calls(pipe, failing=(4, 5)))  # type: ignore[arg-type]
        assert [found.verdict for found in some] == ["wrong", "wrong", "measured"]
    with patch.context() as inner:
        inner.setattr(models.Call, "to", fails)
        theirs, ours = unet.both(unet.TINY_SIZES[0], CPU, torch.float32)
        assert unet.compare(CPU, unet.TINY_SIZES[0], theirs, ours, torch.float32).verdict == "failed"
    with patch.context() as inner:
        inner.setattr(suspects, "decoded_beside", fails)
        assert "wrong" in {found.verdict for found in suspects.measure(CPU, tiny=True, until=NEVER)}
    with pytest.raises(RuntimeError):
        suspects.in_another_thread(fails)


def test_every_part_finds_something(dry: Any) -> None:
    found, _ = dry
    assert {name for name, each in found.items() if not each} == set()


def test_nothing_is_wrong(dry: Any) -> None:
    found, _ = dry
    assert [(name, each) for name, some in found.items() for each in some if each.verdict == "wrong"] == []
    failed = [each.case for some in found.values() for each in some if each.verdict == "failed"]
    assert all("xformers" in case for case in failed)  # which computes on GPUs alone


def test_every_line_of_every_part_is_run(dry: Any) -> None:
    _, missing = dry
    assert missing == {}


class _Always:
    def __init__(self, pipe: TextToImagePipeline) -> None:
        self.pipe = pipe

    def from_pretrained(self, **_: object) -> TextToImagePipeline:
        return self.pipe


class _Calls:
    """A pipeline of which some calls fail."""

    def __init__(self, pipe: TextToImagePipeline, failing: tuple[int, ...]) -> None:
        self.pipe, self.failing, self.count = pipe, failing, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pipe, name)

    def __call__(self, asked: Any) -> Any:
        self.count += 1
        if self.count in self.failing:
            raise RuntimeError("tensors are on different devices")
        return self.pipe(asked)
