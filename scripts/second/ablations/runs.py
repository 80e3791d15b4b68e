"""Trains one variant for a short while and measures it."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from scripts.second.ablations.variants import NOT_READ, UNET, VAE
from scripts.second.autoencoder.ready import trained_vae
from scripts.second.autoencoder.training import HELD_OUT_STEP, report, vae_stage
from scripts.second.training.config import PoolConfig, TrainConfig
from scripts.second.training.data import World
from scripts.second.training.denoising import scheduler
from scripts.second.training.pool import LatentPool
from scripts.second.training.reading import Readers
from scripts.second.training.text import TextSide
from scripts.second.training.unet import read_weights, unet_stage
from scripts.training import loop
from scripts.training.tools import checkpoint

RESULT = "result.json"
TIMESTEPS = tuple(range(50, 1000, 100))
SCENES = 96
POOL = PoolConfig(chunk=256, window=4)  # enough scenes for a short run


def ablate(
    part: str, name: str, seed: int, base: TrainConfig, steps: int, world: World, tokenizer: Path, run: Path
) -> dict[str, float]:
    """Trains one variant for `steps` and measures it; the result is also written.

    Args:
        part: `unet` or `vae`.
        run: a folder with `vae.pt` and `text.pt`; the variant's own run is kept in a folder of it.
    """
    folder = _folder(run, part, name, seed)
    folder.mkdir(parents=True, exist_ok=True)
    start = time.process_time()
    if part == "vae":
        short = replace(base.vae.stage, steps=steps, warmup=max(1, steps // 20))
        config = VAE[name](replace(base, seed=seed, vae=replace(base.vae, stage=short)))
        stage, vae = vae_stage(config, world, folder)
        stage.report = lambda step: {}
        loop.run(stage, folder, report_every=steps)
        minutes = (time.process_time() - start) / 60
        found = report(vae, world, folder / "sample.png") | {"minutes": minutes}
    else:
        short = replace(base.unet.stage, steps=steps, batch=16, warmup=max(1, steps // 10))
        config = UNET[name](replace(base, seed=seed, unet=replace(base.unet, stage=short, pool=POOL)))
        _inherit(config, run, folder, tokenizer, read=name != NOT_READ)
        stage = unet_stage(config, world, TextSide(config.text, tokenizer), folder)
        stage.report = lambda step: {}
        loop.run(stage, folder, report_every=steps)
        minutes = (time.process_time() - start) / 60
        average = stage.modules[f"average-{config.unet.ema[0]:g}"]
        text = TextSide(config.text, tokenizer)
        found = measured(average.module, config, world, text, folder) | {"minutes": minutes}  # type: ignore[arg-type]
    (folder / RESULT).write_text(json.dumps(found, indent=1))
    return found


def _inherit(config: TrainConfig, run: Path, folder: Path, tokenizer: Path, *, read: bool) -> None:
    for name in ("vae.pt", "decoder.pt"):
        if (run / name).exists() and not (folder / name).exists():
            (folder / name).symlink_to((run / name).resolve())
    modules = read_weights(run)
    if not read:
        torch.manual_seed(config.seed)
        fresh = {"encoder": TextSide(config.text, tokenizer).encoder, "readers": Readers(config.text.width)}
        modules = {name: module.state_dict() for name, module in fresh.items()}
    checkpoint.save({"modules": modules}, folder / "text.pt")


@torch.no_grad()
def measured(
    parts: nn.ModuleDict, config: TrainConfig, world: World, text: TextSide, folder: Path
) -> dict[str, float]:
    """Measures the losses on held-out scenes: the mean over evenly spaced timesteps (the same for all
    variants), the mean at low and at high noise, and by which share the loss grows without the caption."""
    pool = LatentPool(replace(POOL, chunk=SCENES), world, trained_vae(config, world, folder), text)
    batch, noising = pool.chunk(HELD_OUT_STEP), scheduler(config)
    latents, losses = batch["latents"], []
    for ids in (batch["ids"], text.ids([""]).expand_as(batch["ids"])):
        context = parts["encoder"](ids).last_hidden_state
        generator, sums = torch.Generator().manual_seed(HELD_OUT_STEP), []
        for timestep in TIMESTEPS:
            noise = torch.randn(latents.shape, generator=generator)
            steps = torch.full((len(latents),), timestep)
            predicted = parts["unet"](noising.add_noise(latents, noise, steps), steps, context)
            sums.append((predicted - noising.get_velocity(latents, noise, steps)).square().mean().item())
        losses.append(sums)
    captioned, uncaptioned = (float(np.mean(sums)) for sums in losses)
    return {
        "loss": captioned,
        "little noise": float(np.mean(losses[0][:5])),
        "much noise": float(np.mean(losses[0][5:])),
        "caption": uncaptioned / captioned - 1,
    }


def results(run: Path, part: str) -> dict[str, dict[str, list[float]]]:
    """Reads the results of all variants measured so far: variant -> measure -> a value for each seed."""
    found: dict[str, dict[str, list[float]]] = {}
    for name in VAE if part == "vae" else UNET:
        for file in sorted(run.glob(f"{part}-{_plain(name)}-seed*/{RESULT}")):
            for key, value in json.loads(file.read_text()).items():
                found.setdefault(name, {}).setdefault(key, []).append(value)
    return found


def _folder(run: Path, part: str, name: str, seed: int) -> Path:
    return run / f"{part}-{_plain(name)}-seed{seed}"


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name)
