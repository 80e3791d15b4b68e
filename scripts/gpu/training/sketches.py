"""Scenes as numbers, prepared by worker processes; if these die, the run prepares scenes itself."""

import queue
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path
from random import Random

import numpy as np
import torch
from torch import Tensor

from scripts.second.training.config import TextConfig
from scripts.second.training.reading import questions
from scripts.second.training.text import TextSide
from scripts.second.world.arrange import arrange
from scripts.second.world.captions import describe
from scripts.second.world.layout import Layout
from scripts.second.world.places import PLACE_INDEX
from scripts.second.world.sampling import Mixture, sample_scene

Sketch = dict[str, np.ndarray]
"""Layouts (`layout.NAME`), places, tokens, answers of `questions`: all that painting and learning need."""


def sketch(mixture: Mixture, extents: np.ndarray, text: TextSide, rng: Random, count: int) -> Sketch:
    """Prepares `count` scenes."""
    scenes = [sample_scene(rng, mixture) for _ in range(count)]
    layout = arrange(scenes, extents, rng)
    found: dict[str, Tensor] = {
        f"layout.{field.name}": getattr(layout, field.name) for field in fields(Layout)
    }
    found |= vars(text.tokens([describe(scene, rng) for scene in scenes]))
    found |= questions(scenes, "cpu")
    index = [PLACE_INDEX[scene.place] if scene.place else -1 for scene in scenes]
    alike = {name: values.numpy() for name, values in found.items()}
    return alike | {"places": np.array(index)}


def layout_of(sketches: Sketch, device: str) -> Layout:
    """The layouts of a sketch, on a device."""
    names = [field.name for field in fields(Layout)]
    return Layout(**{name: torch.from_numpy(sketches[f"layout.{name}"]).to(device) for name in names})


class Sketchers:
    """Processes that fill a queue with sketches.

    Args:
        processes: 0 prepares scenes in this process, on demand.
    """

    def __init__(
        self,
        mixture: Mixture,
        extents: np.ndarray,
        text: TextConfig,
        tokenizer: Path,
        *,
        seed: int,
        size: int,
        processes: int,
    ):
        self.arguments = (mixture, extents, text, tokenizer, size)
        self.size, self.made = size, 0
        self.side = TextSide(text, tokenizer)
        self.rng = Random(f"{seed} here")
        context = get_context("spawn")
        self.queue = context.Queue(maxsize=4 * max(processes, 1))
        self.workers = [
            context.Process(target=_work, args=(self.queue, f"{seed} {n}", *self.arguments), daemon=True)
            for n in range(processes)
        ]
        for worker in self.workers:
            worker.start()

    @property
    def alive(self) -> int:
        return sum(worker.is_alive() for worker in self.workers)

    def here(self) -> Sketch:
        """Prepares scenes in this process."""
        mixture, extents, _, _, size = self.arguments
        return sketch(mixture, extents, self.side, self.rng, size)

    def next(self, wait: float = 0.0) -> Sketch | None:
        """Scenes that are ready within `wait` seconds, or None."""
        if not self.alive:
            return self.here()
        try:
            return self.queue.get(timeout=wait) if wait else self.queue.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        for worker in self.workers:
            worker.terminate()


def _work(
    out: object,
    seed: str,
    mixture: Mixture,
    extents: np.ndarray,
    text: TextConfig,
    tokenizer: Path,
    size: int,
) -> None:
    torch.set_num_threads(1)
    side, rng = TextSide(text, tokenizer), Random(seed)
    while True:
        out.put(sketch(mixture, extents, side, rng, size))  # type: ignore[attr-defined]
