"""Stage `unet` on a CPU: trains the denoiser, and the text encoder with it, on a pool of latents."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.second.autoencoder.ready import trained_vae
from scripts.second.autoencoder.teacher import load_teacher
from scripts.second.autoencoder.training import HELD_OUT_STEP
from scripts.second.training.attention import TrainingAttention
from scripts.second.training.config import TrainConfig
from scripts.second.training.data import World
from scripts.second.training.denoising import Denoising, scheduler, unet_config
from scripts.second.training.inherit import inherit
from scripts.second.training.pool import LatentPool
from scripts.second.training.text import TextSide
from scripts.training.config import StageConfig
from scripts.training.loop import Stage
from scripts.training.tools import checkpoint
from scripts.training.tools.grid import save_grid
from scripts.training.tools.precision import mixed
from scripts.training.unet import ramped_average

UNET = "unet/diffusion_pytorch_model.safetensors"
SHOWN = Path(__file__).with_name("shown.txt")


def unet_stage(config: TrainConfig, world: World, text: TextSide, run: Path, rank: int = 0) -> Stage:
    """Trains on latents of `trained_vae`. Begins with the weights of stage `coarse`, or else with those of
    `config.inherits`."""
    torch.manual_seed(config.seed)
    vae = trained_vae(config, world, run)
    denoising = _denoising(config, text, run)
    if coarse := checkpoint.load(run / "coarse.pt"):
        inherit(denoising, coarse["modules"]["denoising"])
    elif config.inherits:
        inherit(denoising.model["unet"], load_file(config.inherits / UNET))
    return _stage("unet", config, config.unet.stage, world, text, run, denoising, vae, rank)


def coarse_stage(config: TrainConfig, world: World, text: TextSide, run: Path, rank: int = 0) -> Stage:
    """Trains the inherited denoiser on latents of the inherited autoencoder, from pictures at half the side.

    Raises:
        FileNotFoundError: stage `text` has not run.
        ValueError: the configuration inherits from no model.
    """
    if config.inherits is None:
        raise ValueError("stage `coarse` needs a configuration with `inherits`")
    torch.manual_seed(config.seed)
    vae = load_teacher(config.inherits, world.device)
    channels = int(vae.config.latent_channels)
    config = replace(config, vae=replace(config.vae, latent_channels=channels))
    denoising = _denoising(config, text, run)
    denoising.model["unet"].load_state_dict(load_file(config.inherits / UNET))
    return _stage("coarse", config, config.unet.coarse, world, text, run, denoising, vae, rank)


def _denoising(config: TrainConfig, text: TextSide, run: Path) -> Denoising:
    read = read_weights(run)
    text.encoder.load_state_dict(read["encoder"])
    unet = UNet(translate(unet_config(config))).to(text.device, memory_format=torch.channels_last)
    denoising = Denoising(config, unet, text.encoder, text.ids([""])).to(text.device)
    denoising.readers.load_state_dict(read["readers"])
    return denoising


def _stage(
    name: str,
    config: TrainConfig,
    stage: StageConfig,
    world: World,
    text: TextSide,
    run: Path,
    denoising: Denoising,
    vae: AutoencoderKL,
    rank: int,
) -> Stage:
    """`rank`: of several processes, each of which sees scenes and noise of its own."""
    averages = {f"average-{decay:g}": averaged(denoising.model, decay) for decay in config.unet.ema}
    pool = LatentPool(config.unet.pool, world, vae, text, rank)
    held_out = _HeldOut(config, world, vae, text)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([world.seed, 3, step, rank])
        timesteps = draw_timesteps(rng, stage.batch, config.unet.timesteps).to(world.device)
        generator = torch.Generator(world.device).manual_seed(2**40 + step + rank * 2**32)
        batch = pool.draw(step, stage.batch)
        losses = denoising(batch, denoising.draw(batch, generator), timesteps, step / stage.steps)
        return losses.total, losses.numbers()

    @torch.no_grad()
    def report(step: int) -> dict[str, float]:
        found = {
            f"held_out_{key}": held_out.loss(denoising, average.module) for key, average in averages.items()
        }
        best = averages[min(averages, key=lambda key: found[f"held_out_{key}"])].module
        images = sample(best, vae, text, scheduler(config), SHOWN.read_text().splitlines())
        save_grid(images, run / "samples" / f"{name}-{step:06d}.png", 8, scale=1)
        return found

    def after() -> None:
        for average in averages.values():
            average.update_parameters(denoising.model)

    return Stage(
        name=name,
        config=stage,
        groups=[
            (list(denoising.model["unet"].parameters()), 1.0),
            (list(denoising.model["encoder"].parameters()), config.unet.text_rate),
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
