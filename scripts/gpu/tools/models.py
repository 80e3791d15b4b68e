"""Models of real sizes with random weights, initialised on the device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime, RowGroup, plan
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.families import family_of
from limelight.pipeline.models.content_hash import ContentHash
from limelight.pipeline.models.model import Model
from limelight.pipeline.text.clip_encoder import ClipEncoder
from limelight.pipeline.text.encoder import TextEncoder
from limelight.unet import UNet
from scripts.benchmarks.tools.models import SD1, SDXL, our_unet
from scripts.benchmarks.tools.process import ROOT

TINY: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
}
TINY_XL: dict[str, Any] = TINY | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 16 + 6 * 8,
    "use_linear_projection": True,
}
CONFIGS = {"sd1": SD1, "sdxl": SDXL, "tiny": TINY, "tiny-xl": TINY_XL}
TOKENS = 77
SCHEDULER = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "clip_sample": False,
    "_class_name": "DDIMScheduler",
}


def diffusers_unet(name: str, device: torch.device, dtype: torch.dtype) -> Any:
    """diffusers' U-Net of this size, with the same weights in each call on one device."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    with device:
        return cast(UNet2DConditionModel(**CONFIGS[name]), dtype)


def cast(module: nn.Module, dtype: torch.dtype) -> Any:
    """The module in `dtype`, for prediction. diffusers' own `to` would warn about parts that these models do
    not have."""
    return nn.Module.to(module, dtype).eval()


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one prediction with this many rows."""

    x: Tensor
    timesteps: Tensor
    context: Tensor
    pooled: Tensor | None
    size_ids: Tensor | None

    @classmethod
    def draw(
        cls, config: Mapping[str, Any], rows: int, side: int, device: torch.device, dtype: torch.dtype
    ) -> "Call":
        """Random latents of `side` x `side`."""
        torch.manual_seed(1)
        pooled = sizes = None
        if "addition_embed_type" in config:
            features = config["projection_class_embeddings_input_dim"]
            features -= 6 * config["addition_time_embed_dim"]
            pooled = torch.randn(rows, features, device=device, dtype=dtype)
            sizes = torch.tensor([8.0 * side, 8.0 * side, 0, 0, 8.0 * side, 8.0 * side], device=device)
            sizes = sizes.repeat(rows, 1)
        return cls(
            torch.randn(rows, 4, side, side, device=device, dtype=dtype),
            torch.full((rows,), 500.0, device=device),
            torch.randn(rows, TOKENS, config["cross_attention_dim"], device=device, dtype=dtype),
            pooled,
            sizes,
        )

    def to(self, dtype: torch.dtype) -> "Call":
        pooled = None if self.pooled is None else self.pooled.to(dtype)
        return Call(self.x.to(dtype), self.timesteps, self.context.to(dtype), pooled, self.size_ids)

    def of_diffusers(self, unet: Any) -> Tensor:
        added = None if self.pooled is None else {"text_embeds": self.pooled, "time_ids": self.size_ids}
        return unet(self.x, self.timesteps, self.context, added_cond_kwargs=added, return_dict=False)[0]

    def of_ours(self, unet: Any, runtime: AttentionRuntime) -> Tensor:
        return unet(
            self.x,
            self.timesteps,
            None,
            pooled=self.pooled,
            size_ids=self.size_ids,
            attention=runtime,
        )


def runtime_of(unet: UNet, call: Call) -> AttentionRuntime:
    """The state that the engine prepares before a call: backends chosen, keys and values of the context
    computed."""
    height, width = call.x.shape[2:]
    specs = unet.attention_specs(height, width, TOKENS, batch=len(call.x))
    choices = plan(specs, {site.name: site.kind for site in unet.sites})
    made = unet.keys_values(call.context)
    group = RowGroup(lambda site: made[site])
    return AttentionRuntime({site: choice.backend for site, choice in choices.items()}, context=(group,))


def default_pipeline(
    device: torch.device, dtype: torch.dtype, *, tiny: bool, **options: Any
) -> TextToImagePipeline:
    """The default model; a dry run replaces it by a tiny model."""
    if tiny:
        return pipeline(device, dtype, tiny=True, **options)
    return TextToImagePipeline.from_pretrained(device=str(device), dtype=dtype, **options)


def pipeline(device: torch.device, dtype: torch.dtype, *, tiny: bool, **options: Any) -> TextToImagePipeline:
    """A pipeline of SD1.5's size with random weights and the default model's tokenizer."""
    from diffusers import AutoencoderKL
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    config = TINY if tiny else SD1
    width = config["cross_attention_dim"]
    tokenizer = CLIPTokenizer.from_pretrained(ROOT / "pipeline" / "default_model" / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=(1 if tiny else 4) * width,
        num_hidden_layers=1 if tiny else 12,
        num_attention_heads=4 if tiny else 12,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    channels = (8, 16) if tiny else (128, 256, 512, 512)
    theirs = diffusers_unet("tiny" if tiny else "sd1", device, dtype)
    with device:
        encoder = cast(CLIPTextModel(text), dtype)
        vae = AutoencoderKL(
            block_out_channels=channels,
            down_block_types=("DownEncoderBlock2D",) * len(channels),
            up_block_types=("UpDecoderBlock2D",) * len(channels),
            layers_per_block=1 if tiny else 2,
            norm_num_groups=4 if tiny else 32,
            latent_channels=4,
        )
    model = Model(
        name="random weights",
        family=family_of(width, 1, added=False),
        unet=our_unet(theirs.config, theirs.state_dict()),
        vae=cast(vae, dtype),
        text=TextEncoder([ClipEncoder(tokenizer, encoder)]),
        scheduler_config=SCHEDULER,
        hash=ContentHash([]),
    )
    return TextToImagePipeline(model, **options)
