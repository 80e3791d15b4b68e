"""Stage `unet` on a CPU: trains the denoiser, and the text encoder with it, on a pool of latents."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.second.training.attention import TrainingAttention
from scripts.second.training.config import TrainConfig
from scripts.second.training.data import World
from scripts.second.training.denoising import Denoising, scheduler, unet_config
from scripts.second.training.pool import LatentPool
from scripts.second.training.text import TextSide
from scripts.second.training.vae import HELD_OUT_STEP
from scripts.second.training.vae_ready import trained_vae
from scripts.training.loop import Stage
from scripts.training.tools import checkpoint
from scripts.training.tools.grid import save_grid
from scripts.training.tools.precision import mixed
from scripts.training.unet import ramped_average

SHOWN = Path(__file__).with_name("shown.txt")


def unet_stage(config: TrainConfig, world: World, text: TextSide, run: Path) -> Stage:
    torch.manual_seed(config.seed)
    vae = trained_vae(config, world, run)
    read = read_weights(run)
    text.encoder.load_state_dict(read["encoder"])
    unet = UNet(translate(unet_config(config))).to(world.device, memory_format=torch.channels_last)
    denoising = Denoising(config, unet, text.encoder, text.ids([""])).to(world.device)
    denoising.readers.load_state_dict(read["readers"])
    averages = {f"average-{decay:g}": averaged(denoising.model, decay) for decay in config.unet.ema}
    pool, held_out = LatentPool(config.unet.pool, world, vae, text), _HeldOut(config, world, vae, text)
    stage = config.unet.stage

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([world.seed, 3, step])
        timesteps = draw_timesteps(rng, stage.batch, config.unet.timesteps).to(world.device)
        generator = torch.Generator(world.device).manual_seed(2**40 + step)
        batch = pool.draw(step, stage.batch)
        losses = denoising(batch, denoising.draw(batch, generator), timesteps, step / stage.steps)
        return losses.total, losses.numbers()

    @torch.no_grad()
    def report(step: int) -> dict[str, float]:
        found = {
            f"held_out_{name}": held_out.loss(denoising, average.module) for name, average in averages.items()
        }
        best = averages[min(averages, key=lambda name: found[f"held_out_{name}"])].module
        images = sample(best, vae, text, scheduler(config), SHOWN.read_text().splitlines())
        save_grid(images, run / "samples" / f"unet-{step:06d}.png", 8, scale=1)
        return found

    def after() -> None:
        for average in averages.values():
            average.update_parameters(denoising.model)

    return Stage(
        name="unet",
        config=stage,
        groups=[
            (list(unet.parameters()), 1.0),
            (list(text.encoder.parameters()), config.unet.text_rate),
            ([*denoising.readers.parameters(), *denoising.alignment.parameters()], 1.0),
        ],
        modules={"denoising": denoising, **averages},
        loss=loss,
        report=report,
        after=after,
    )


class _HeldOut:
    """Measures the loss on held-out scenes over evenly spaced timesteps."""

    def __init__(self, config: TrainConfig, world: World, vae: AutoencoderKL, text: TextSide):
        pool = LatentPool(replace(config.unet.pool, chunk=config.unet.held_out), world, vae, text)
        self.batch = pool.chunk(HELD_OUT_STEP)

    def loss(self, denoising: Denoising, parts: nn.Module) -> float:
        latents = self.batch["latents"]
        generator = torch.Generator(latents.device).manual_seed(HELD_OUT_STEP)
        timesteps = torch.linspace(20, 980, len(latents), device=latents.device).long()
        assert isinstance(parts, nn.ModuleDict)
        noised = denoising.draw(self.batch, generator)
        return denoising(self.batch, noised, timesteps, 1.0, parts).denoising.item()


def draw_timesteps(rng: np.random.Generator, size: int, beta: tuple[float, float]) -> Tensor:
    return torch.from_numpy((rng.beta(*beta, size) * 1000).astype(np.int64))


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """A moving average of weights that forgets its first steps."""
    average = AveragedModel(model, multi_avg_fn=ramped_average(decay))
    average.requires_grad_(False)
    return average


def read_weights(run: Path) -> dict[str, dict[str, Tensor]]:
    """The weights of the text encoder and its readers.

    Raises:
        FileNotFoundError: stage `text` has not run.
    """
    state = checkpoint.load(run / "text.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'text.pt'} does not exist; make it with stage `text`")
    return state["modules"]


@torch.no_grad()
def sample(
    parts: nn.Module,
    vae: AutoencoderKL,
    text: TextSide,
    steps: DDIMScheduler,
    prompts: list[str],
    *,
    paint: Float[Tensor, "b h w m"] | None = None,
    num_steps: int = 20,
    guidance: float = 3.0,
    seed: int = 0,
) -> Float[Tensor, "b 3 h w"]:
    """Pictures in 0..1, one for each prompt, by DDIM with classifier-free guidance (Ho and Salimans 2022);
    `paint` is added to the prompts' logits."""
    assert isinstance(parts, nn.ModuleDict)
    steps.set_timesteps(num_steps)
    context = parts["encoder"](text.ids([""] * len(prompts) + prompts)).last_hidden_state
    config = parts["unet"].config
    side = 16
    noise = [
        torch.randn(config.in_channels, side, side, generator=torch.Generator().manual_seed(seed + i))
        for i in range(len(prompts))
    ]
    x = torch.stack(noise).to(text.device)
    both_paint = None if paint is None else torch.cat([torch.zeros_like(paint), paint])
    for timestep in steps.timesteps:
        attention = TrainingAttention(plan={}, paint=both_paint)
        rows = timestep.expand(2 * len(x)).to(text.device)
        with mixed(torch.device(text.device).type):
            both = parts["unet"](torch.cat([x, x]), rows, context, attention=attention).float()
        plain, said = both.chunk(2)
        x = steps.step(plain + guidance * (said - plain), timestep, x).prev_sample
    return torch.cat([(vae.decode(part).sample / 2 + 0.5).clamp(0, 1) for part in x.split(16)])
