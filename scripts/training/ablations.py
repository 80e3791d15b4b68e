"""Ablations of the denoiser's recipe: short runs from random weights that differ from the recipe in one
thing."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import nn

from limelight.unet import UNet
from scripts.training import loop
from scripts.training.config import PoolConfig, TrainConfig
from scripts.training.data import World
from scripts.training.scoring.judge import Judge
from scripts.training.scoring.scores import TASKS, plain, right
from scripts.training.text import TextSide
from scripts.training.tools import checkpoint
from scripts.training.unet import sample, scheduler, unet_stage
from scripts.training.vae import HELD_OUT_STEP
from scripts.training.vae_ready import trained_vae

UNTRAINED_TEXT = "text encoder not pretrained"
TIMESTEPS = tuple(range(50, 1000, 100))
RESULT = "result.json"
SCENES, PICTURES = 128, 64
POOL = PoolConfig(chunk=512, window=4)  # enough scenes for a short run


def _unet(**changes: object) -> Callable[[TrainConfig], TrainConfig]:
    return lambda config: replace(config, unet=replace(config.unet, **changes))  # type: ignore[arg-type]


def _rate(factor: float) -> Callable[[TrainConfig], TrainConfig]:
    return lambda config: _stage(learning_rate=factor * config.unet.stage.learning_rate)(config)


def _stage(**changes: object) -> Callable[[TrainConfig], TrainConfig]:
    return lambda config: _unet(stage=replace(config.unet.stage, **changes))(config)  # type: ignore[arg-type]


VARIANTS: dict[str, Callable[[TrainConfig], TrainConfig]] = {
    "the recipe": lambda config: config,
    "loss weighted by min-SNR-5": _unet(min_snr=5.0),
    "timesteps even": _unet(timesteps=(1.0, 1.0)),
    "timesteps in the middle, Beta(2.4, 1.8)": _unet(timesteps=(2.4, 1.8)),
    "timesteps noisier, Beta(3, 1.5)": _unet(timesteps=(3.0, 1.5)),
    UNTRAINED_TEXT: _unet(text_rate=1.0),
    "AdamW for all, not Muon": _stage(muon=False),
    "half the learning rate": _rate(0.5),
    "twice the learning rate": _rate(2.0),
    "narrower, (48, 96, 192)": _unet(channels=(48, 96, 192)),
    "half the side first": _unet(small_first=0.5),
    "relations not trained": _unet(relation_weight=0.0),
    "words' places not trained": _unet(grounding_weight=0.0),
}


def ablate(
    name: str, base: TrainConfig, steps: int, world: World, tokenizer: Path, run: Path, judge: Judge
) -> dict[str, float]:
    """Trains one variant for `steps`, then measures its averaged weights.

    Args:
        run: a folder with `clip.pt` and `vae.pt`; the variant's own run is kept in `run/NAME`.

    Returns: what `measured` finds, and the minutes of processor time that training took; also written to
        `run/NAME/result.json`.
    """
    short = replace(base.unet.stage, steps=steps, batch=16, learning_rate=8e-4, warmup=steps // 10, decay=0.4)
    config = VARIANTS[name](replace(base, unet=replace(base.unet, stage=short, pool=POOL)))
    folder = _folder(run, name)
    folder.mkdir(exist_ok=True)
    (folder / "vae.pt").unlink(missing_ok=True)
    (folder / "vae.pt").symlink_to((run / "vae.pt").resolve())
    _save_text(config, tokenizer, run, folder, untrained=name == UNTRAINED_TEXT)
    stage = unet_stage(config, world, tokenizer, folder)
    stage.report = lambda step: {}
    start = time.process_time()
    loop.run(stage, folder, report_every=steps)
    minutes = (time.process_time() - start) / 60
    averaged = stage.modules["averaged"]
    assert isinstance(averaged, torch.optim.swa_utils.AveragedModel)
    text = TextSide(config, tokenizer, world.device)
    found = measured(averaged.module, config, world, trained_vae(config, world, folder), text, judge)
    found |= {"minutes": minutes}
    (folder / RESULT).write_text(json.dumps(found, indent=1))
    return found


def results(run: Path) -> dict[str, dict[str, float]]:
    """Reads the results of all variants measured so far, by any process."""
    files = {name: _folder(run, name) / RESULT for name in VARIANTS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def _folder(run: Path, name: str) -> Path:
    return run / "".join(c if c.isalnum() else "-" for c in name)


def _save_text(config: TrainConfig, tokenizer: Path, run: Path, folder: Path, *, untrained: bool) -> None:
    state = checkpoint.load(run / "clip.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'clip.pt'} does not exist; make it with stage `clip`")
    torch.manual_seed(config.seed)
    encoder = TextSide(config, tokenizer).encoder.state_dict() if untrained else state["modules"]["encoder"]
    checkpoint.save({"modules": {"encoder": encoder}}, folder / "clip.pt")


@torch.no_grad()
def measured(
    parts: nn.ModuleDict, config: TrainConfig, world: World, vae: AutoencoderKL, text: TextSide, judge: Judge
) -> dict[str, float]:
    """Measures the loss on held-out scenes over evenly spaced timesteps (the same for all variants), by which
    share it grows without the caption, and how often the judge finds pictures of coloured things right: the
    thing in its colour, and the ground."""
    batch = world.batch(HELD_OUT_STEP + 3, SCENES)
    latents, noising = vae.encode(batch.images).latent_dist.mean, scheduler(config)
    losses = []
    for captions in (batch.captions, [""] * SCENES):
        context = parts["encoder"](text.ids(captions)).last_hidden_state
        generator, sums = torch.Generator(world.device).manual_seed(HELD_OUT_STEP), []
        for timestep in TIMESTEPS:
            noise = torch.randn(latents.shape, generator=generator, device=world.device)
            steps = torch.full((SCENES,), timestep, device=world.device)
            predicted = parts["unet"](noising.add_noise(latents, noise, steps), steps, context)
            sums.append((predicted - noising.get_velocity(latents, noise, steps)).square().mean().item())
        losses.append(float(np.mean(sums)))
    captioned, uncaptioned = losses
    found = {"loss": captioned, "caption": uncaptioned / captioned - 1}
    task = TASKS[3]
    scenes = task.scenes(PICTURES)
    images = sample(parts, vae, text, noising, [plain(scene) for scene in scenes], num_steps=15)
    marks = right(judge, images * 2 - 1, scenes, task)
    found |= {"coloured thing": marks["right"].mean().item(), "ground": marks["ground"].mean().item()}
    denoiser = parts["unet"]
    assert isinstance(denoiser, UNet)
    return found | {"parameters": sum(parameter.numel() for parameter in denoiser.parameters())}
