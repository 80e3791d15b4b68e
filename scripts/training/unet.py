"""Stage `unet`: trains the denoiser to predict v of latents under captions (Salimans and Ho 2022), and the
text encoder with it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from limelight.attention import AttentionOrder, AttentionRuntime, Choice, plan
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import translate
from scripts.training.config import TrainConfig
from scripts.training.data import World
from scripts.training.grounding import NOTHING, Maps
from scripts.training.loop import Stage
from scripts.training.pool import LatentPool
from scripts.training.relation import UNSAID, relation_head, relation_loss
from scripts.training.scoring.margins import margins
from scripts.training.text import TextSide
from scripts.training.tools import checkpoint
from scripts.training.tools.grid import save_grid
from scripts.training.tools.precision import mixed
from scripts.training.vae import HELD_OUT_STEP
from scripts.training.vae_ready import trained_vae
from scripts.world.composer import PIXELS

SHOWN = (
    "a red apple on a blue background",
    "a cat on a green background",
    "a blue car on a yellow background",
    "a star",
    "a green star on a white background",
    "a red apple to the left of a blue car on a yellow background",
    "two stars on a purple background",
    "a house on a teal background",
    "a dog on a pink background",
    "a panda on a red background",
    "a pink pig on a black background",
    "a rocket on a black background",
    "a purple octopus on an orange background",
    "three hearts on a white background",
    "a frog above a burger on a gray background",
    "a big tree next to a small house on a white background",
    "a yellow umbrella on a brown background",
    "a guitar on a teal background",
    "a robot on a green background",
    "a penguin on a blue background",
    "a butterfly on a yellow background",
    "a blue mushroom on a pink background",
    "a pineapple on a purple background",
    "a flat rose on a white background",
    "a bus on an orange background",
    "a snail on a green background",
    "a crown on a red background",
    "a green crab and a yellow fish on a blue background",
    "a ghost on a black background",
    "a cake on a pink background",
    "an airplane on a blue background",
    "four lemons on a teal background",
)


def unet_config(config: TrainConfig) -> dict:
    """The denoiser's config, with diffusers' keys."""
    levels = len(config.unet.channels)
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": PIXELS // 4,
        "in_channels": config.vae.latent_channels,
        "out_channels": config.vae.latent_channels,
        "block_out_channels": list(config.unet.channels),
        "layers_per_block": 1,
        "down_block_types": ["CrossAttnDownBlock2D"] * 2 + ["DownBlock2D"] * (levels - 2),
        "up_block_types": ["UpBlock2D"] * (levels - 2) + ["CrossAttnUpBlock2D"] * 2,
        "cross_attention_dim": config.text.width,
        "attention_head_dim": config.unet.heads,
        "norm_num_groups": config.unet.groups,
    }


def scheduler(config: TrainConfig) -> DDIMScheduler:
    """The noise schedule. It ends in pure noise even for a flat picture, so that grounds can take any
    colour."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="linear",
        beta_start=config.unet.beta_start,
        beta_end=config.unet.beta_end,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def unet_stage(
    config: TrainConfig,
    world: World,
    tokenizer_folder: Path,
    run: Path,
    *,
    rank: int = 0,
    size: int = 1,
    workers: int = 0,
    compiled: bool = False,
) -> Stage:
    """The stage in one of `size` processes. Each has its share of the batch, its own scenes (`world`) and its
    own noise."""
    torch.manual_seed(config.seed)
    vae = trained_vae(config, world, run)
    text = TextSide(config, tokenizer_folder, world.device)
    text.encoder.load_state_dict(_clip_weights(run))
    text.encoder.set_attn_implementation("eager")  # the flash kernel's backward pass is slow on a CPU
    unet = UNet(translate(unet_config(config))).to(world.device, memory_format=torch.channels_last)
    model = nn.ModuleDict({"unet": unet, "encoder": text.encoder})
    averaged = AveragedModel(model, multi_avg_fn=ramped_average(config.unet.ema))
    averaged.requires_grad_(False)
    if compiled:
        unet.compile()
    pool, noising = LatentPool(config.unet.pool, world, vae, text, workers), scheduler(config)
    empty = text.ids([""])
    weights = loss_weights(noising, config.unet.min_snr).to(world.device)
    backends = {site: choice.backend for site, choice in _plan(unet, text).items()}
    head = relation_head(config.text.width).to(world.device)

    def loss_of(
        step: int, latents: Tensor, ids: Tensor, parts: nn.ModuleDict
    ) -> tuple[Tensor, Tensor, Tensor, Maps]:
        """Returns the denoiser's loss, the context, a mask of dropped captions, and the maps."""
        rng = np.random.default_rng([world.seed, 3, step])
        timesteps = torch.from_numpy(_timesteps(rng, len(latents), *config.unet.timesteps)).to(world.device)
        generator = torch.Generator(world.device).manual_seed(2**40 + step * size + rank)
        noise = torch.randn(latents.shape, generator=generator, device=world.device)
        dropped = torch.from_numpy(rng.random(len(latents)) < config.unet.drop_caption).to(world.device)
        maps = Maps()
        with mixed(world.device):
            context = parts["encoder"](torch.where(dropped[:, None], empty, ids)).last_hidden_state
            predicted = parts["unet"](
                noising.add_noise(latents, noise, timesteps),
                timesteps,
                context.float(),
                attention=AttentionRuntime(backends, maps),
            )
        errors = (
            (predicted.float() - noising.get_velocity(latents, noise, timesteps)).square().mean((1, 2, 3))
        )
        return (errors * weights[timesteps]).mean(), context, dropped, maps

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        latents, scenes = pool.draw(step, config.unet.stage.batch // size)
        if step < config.unet.small_first * config.unet.stage.steps:
            latents = F.avg_pool2d(latents, 2)
        denoising, context, dropped, maps = loss_of(step, latents, scenes.ids, model)
        unsaid = dropped[:, None]
        relation = relation_loss(head, context, scenes.relations.masked_fill(unsaid, UNSAID))
        grounding = maps.loss(scenes.named.masked_fill(unsaid, NOTHING), scenes.masks)
        total = denoising + config.unet.relation_weight * relation + config.unet.grounding_weight * grounding
        return total, {"relation": relation.item(), "grounding": grounding.item()}

    @torch.no_grad()
    def report(step: int) -> dict[str, float]:
        held_out = world.batch(HELD_OUT_STEP + 1, 256)
        latents = vae.encode(held_out.images).latent_dist.mean
        value, *_ = loss_of(HELD_OUT_STEP, latents, text.ids(held_out.captions), averaged.module)
        images = sample(averaged.module, vae, text, scheduler(config), list(SHOWN))
        save_grid(images, run / "samples" / f"unet-{step:06d}.png", 8)
        heeded = margins(averaged.module, world, vae, text, noising, 96)
        return {"held_out_loss": value.item(), **heeded}

    return Stage(
        name="unet",
        config=config.unet.stage,
        groups=[
            (list(unet.parameters()), 1.0),
            (list(text.encoder.parameters()), config.unet.text_rate),
            (list(head.parameters()), 1.0),
        ],
        modules={"model": model, "averaged": averaged, "relation": head},
        loss=loss,
        report=report,
        after=lambda: averaged.update_parameters(model),
    )


def loss_weights(noising: DDIMScheduler, min_snr: float | None) -> Float[Tensor, " t"]:
    """The weight of the error of v at each timestep: 1 everywhere, or min(SNR, `min_snr`) / (SNR + 1) (Hang
    et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy")."""
    kept = noising.alphas_cumprod
    if min_snr is None:
        return torch.ones_like(kept)
    return (kept / (1 - kept)).clamp(max=min_snr) * (1 - kept)


def _plan(unet: UNet, text: TextSide) -> dict[str, Choice]:
    """On a CPU the flash kernel's backward pass is slow: a step takes 0.85 of its time without it."""
    order = AttentionOrder(everywhere="sdpa-math") if unet.device.type == "cpu" else None
    side = PIXELS // 4
    specs = unet.attention_specs(side, side, text.tokenizer.model_max_length)
    return plan(specs, {site.name: site.kind for site in unet.sites}, order)


def ramped_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """A moving average of weights that forgets its first steps: decay (1 + n) / (10 + n) after n steps, at
    most `decay`."""

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        torch._foreach_lerp_(list(averaged), list(current), 1 - ramped(decay, int(count)))

    return torch.no_grad()(update)


def ramped(decay: float, count: int) -> float:
    """The decay of the average after `count` steps."""
    return min(decay, (1 + count) / (10 + count))


def _clip_weights(run: Path) -> dict[str, Tensor]:
    state = checkpoint.load(run / "clip.pt")
    if state is None:
        raise FileNotFoundError(f"{run / 'clip.pt'} does not exist; make it with stage `clip`")
    return state["modules"]["encoder"]


def _timesteps(rng: np.random.Generator, size: int, a: float, b: float) -> np.ndarray:
    return (rng.beta(a, b, size) * 1000).astype(np.int64)


@torch.no_grad()
def sample(
    parts: nn.ModuleDict,
    vae: AutoencoderKL,
    text: TextSide,
    steps: DDIMScheduler,
    prompts: list[str],
    *,
    num_steps: int = 25,
    guidance: float = 3.0,
    seed: int = 0,
) -> Float[Tensor, "b 3 h w"]:
    """Pictures in 0..1, one for each prompt, by DDIM with classifier-free guidance (Ho and Salimans 2022)."""
    steps.set_timesteps(num_steps)
    context = parts["encoder"](text.ids([""] * len(prompts) + prompts)).last_hidden_state
    channels, side = vae.config.latent_channels, PIXELS // 4
    rows = [
        torch.randn(channels, side, side, generator=torch.Generator().manual_seed(seed + index))
        for index in range(len(prompts))
    ]
    x = torch.stack(rows).to(text.device)
    for timestep in steps.timesteps:
        with mixed(text.device):
            both = parts["unet"](
                torch.cat([x, x]), timestep.expand(2 * len(x)).to(text.device), context
            ).float()
        unconditional, conditional = both.chunk(2)
        guided = unconditional + guidance * (conditional - unconditional)
        x = steps.step(guided, timestep, x).prev_sample
    return (vae.decode(x).sample / 2 + 0.5).clamp(0, 1)
