"""One process of `scripts.benchmarks.memory`: its way, a folder with a U-Net, pixels and threads."""

import json
import sys
from collections.abc import Callable
from typing import Any

import torch

from limelight.app.lifetime import hold_memory_together
from limelight.pipeline.memory import free_bytes
from limelight.unet import UNet, optimize
from limelight.unet.fast.fast_unet import give_back
from scripts.benchmarks.tools import models
from scripts.benchmarks.tools.process import forget_peak, prefer_to_be_killed, resident_bytes


@torch.inference_mode()
def main(way: str, folder: str, pixels: str, num_threads: str) -> None:
    prefer_to_be_killed()
    if way != "diffusers":
        hold_memory_together()
    torch.set_num_threads(int(num_threads))
    given = models.inputs("sd1", int(pixels))
    load = _imported(way)
    forget_peak()
    before = resident_bytes()
    unet = load(folder)

    def predict() -> None:
        if way == "diffusers":
            unet(given.x, given.timesteps, given.context, return_dict=False)
        else:
            unet(given.x, given.timesteps, given.context)

    predict()
    peak = resident_bytes("VmHWM") - before
    give_back()
    forget_peak()
    kept = resident_bytes()
    predict()
    own = resident_bytes("VmHWM") - kept
    found = {
        "peak": max(peak, own + kept - before),
        "filters": unet.filter_bytes or 0 if isinstance(unet, UNet) else 0,
        "own": own,
    }
    print(json.dumps(found))


def _imported(way: str) -> Callable[[str], Any]:
    """The function that loads the U-Net, after all of its imports."""
    if way == "diffusers":
        from diffusers import UNet2DConditionModel

        return lambda folder: UNet2DConditionModel.from_pretrained(folder).eval()
    if way == "plain":
        return UNet.from_pretrained
    if way == "low-memory":
        return lambda folder: optimize(UNet.from_pretrained(folder), extra_memory=0)
    return lambda folder: optimize(UNet.from_pretrained(folder), free_memory=free_bytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
