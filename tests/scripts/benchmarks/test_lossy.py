import argparse

import numpy as np
import pytest
import torch

from scripts.benchmarks import lossy
from scripts.benchmarks.tools import models
from scripts.training.scoring.scores import TASKS, Task


def test_a_prediction_between_whole_ones_is_timed_beside_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(lossy.SIZES, "default", "32")
    monkeypatch.setattr(lossy, "optimize", lambda unet, **_: unet)  # which measures convolutions first
    section = lossy._predictions(argparse.Namespace(models="default", sizes=None, rounds=1))
    ((name, pixels, _, share, *gains),) = section.rows
    assert (name, pixels, len(section.columns)) == (models.NAMES["default"], "32", 4 + len(gains))
    assert 0 < float(share.split()[0]) < 1


def test_the_judge_is_asked_of_each_picture_about_its_own_scene(monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = {task.name: task.scenes(3) for task in TASKS[:2]}
    asked = []

    def right(judge: object, images: torch.Tensor, about: object, task: Task) -> dict[str, np.ndarray]:
        asked.append((task.name, about))
        return {"right": (images.flatten(1).amin(1) > 0).double().numpy()}  # of range -1..1

    monkeypatch.setattr(lossy, "right", right)
    light = torch.tensor([0.9, 0.2, 0.9, 0.9, 0.2, 0.9])
    images = light[:, None, None, None].expand(6, 3, 8, 8)
    assert lossy._score(object(), images, scenes) == "0.667"
    assert asked == list(scenes.items())


def test_unknown_models_are_refused() -> None:
    with pytest.raises(SystemExit, match="'sd3' is not known; must be of default, sd1, sdxl"):
        next(iter(lossy.measure(argparse.Namespace(models="sd3"))))
