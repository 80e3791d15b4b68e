"""Measures whether the denoiser uses a caption: the loss with two words of the caption swapped, relative to
the loss with the true caption, on the same noised scenes. This is far less noisy than the scores of drawn
pictures."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor, nn

from scripts.training.data import World
from scripts.training.scoring.scores import TASKS, plain
from scripts.training.text import TextSide
from scripts.training.vae import HELD_OUT_STEP
from scripts.world.scene import Scene

TIMESTEPS = (450, 600, 700)
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def moved(scene: Scene) -> Scene:
    """The scene with the places of its two things exchanged."""
    return replace(scene, relation=OPPOSITE[scene.relation or ""])


def recoloured(scene: Scene) -> Scene:
    """The scene with the colours of its two things exchanged."""
    first, second = scene.things
    return replace(scene, things=(replace(first, colour=second.colour), replace(second, colour=first.colour)))


SWAPS: dict[str, tuple[str, Callable[[Scene], Scene]]] = {
    "position": ("position", moved),
    "binding": ("attribute binding", recoloured),
}


@torch.no_grad()
def margins(
    parts: nn.ModuleDict, world: World, vae: AutoencoderKL, text: TextSide, noising: DDIMScheduler, count: int
) -> dict[str, float]:
    """For each swap (loss under the false caption) / (loss under the true one) - 1; 0 means that the denoiser
    ignores the caption."""
    tasks = {task.name: task for task in TASKS}
    found = {}
    for name, (task, swap) in SWAPS.items():
        scenes = tasks[task].scenes(count)
        images = world.compose(scenes, np.random.default_rng(HELD_OUT_STEP)).images
        latents = vae.encode(images).latent_dist.mean
        captions = [plain(scene) for scene in scenes], [plain(swap(scene)) for scene in scenes]
        true, false = (_loss(parts, latents, text.ids(each), noising) for each in captions)
        found[f"{name}_margin"] = false / true - 1
    return found


def _loss(parts: nn.ModuleDict, latents: Tensor, ids: Tensor, noising: DDIMScheduler) -> float:
    generator = torch.Generator(latents.device).manual_seed(HELD_OUT_STEP)
    noise = torch.randn(latents.shape, generator=generator, device=latents.device)
    context, losses = parts["encoder"](ids).last_hidden_state, []
    for timestep in TIMESTEPS:
        timesteps = torch.full((len(latents),), timestep, device=latents.device)
        predicted = parts["unet"](noising.add_noise(latents, noise, timesteps), timesteps, context)
        losses.append((predicted - noising.get_velocity(latents, noise, timesteps)).square().mean().item())
    return float(np.mean(losses))
