"""Tiny pipelines of every family, made by diffusers, and as checkpoints in one file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from limelight.pipeline.models.single_file.tokenizer import clip_tokenizer
from tests.pipeline.models.single_file.original_layout import (
    clip_tensors,
    open_clip_tensors,
    unet_names,
    vae_tensors,
)

SD1_UNET: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 64,
    "attention_head_dim": 8,
}
SD2_UNET = SD1_UNET | {
    "block_out_channels": (64, 128),
    "attention_head_dim": (1, 2),
    "use_linear_projection": True,
}
SDXL_UNET = SD2_UNET | {
    "sample_size": 128,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 64 + 128,
    "transformer_layers_per_block": (1, 2),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 96 + 6 * 8,
}

REFINER_UNET = SDXL_UNET | {
    "block_out_channels": (64, 128, 128),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": (1, 2, 2),
    "transformer_layers_per_block": 2,
    "cross_attention_dim": 128,
    "projection_class_embeddings_input_dim": 96 + 5 * 8,
}


@dataclass(frozen=True)
class Checkpoint:
    """A tiny pipeline twice: as a folder in diffusers layout and as tensors in the original layout."""

    folder: Path
    pipeline: str
    tensors: Mapping[str, Tensor]

    def save(self, path: Path, *, dtype: torch.dtype = torch.float32, **changes: Any) -> Path:
        save_file(
            {name: t.to(dtype, copy=True).contiguous() for name, t in self.tensors.items()}, path, **changes
        )
        return path


def _encoder(*, hidden: int, layers: int = 2, projection: int | None = None, act: str = "gelu") -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=hidden,
        intermediate_size=96,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        projection_dim=projection or hidden,
        hidden_act=act,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407 if act == "quick_gelu" else 0,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config)


def _vae(scaling_factor: float = 0.18215) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        scaling_factor=scaling_factor,
    )


def _schedule(**options: Any) -> dict[str, Any]:
    betas = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
    return betas | options


def _make_sd1(**options: Any) -> tuple[Any, dict[str, Tensor]]:
    import diffusers

    pipe = diffusers.StableDiffusionPipeline(
        unet=diffusers.UNet2DConditionModel(**SD1_UNET | options),
        vae=_vae(),
        text_encoder=_encoder(hidden=64, act="quick_gelu"),
        tokenizer=clip_tokenizer(),
        scheduler=diffusers.PNDMScheduler(**_schedule(skip_prk_steps=True)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return pipe, clip_tensors(pipe.text_encoder, "cond_stage_model.transformer.")


def _make_sd2(prediction_type: str = "epsilon") -> tuple[Any, dict[str, Tensor]]:
    import diffusers

    pipe = diffusers.StableDiffusionPipeline(
        unet=diffusers.UNet2DConditionModel(
            **SD2_UNET | {"sample_size": 96 if prediction_type[0] == "v" else 64}
        ),
        vae=_vae(),
        text_encoder=_encoder(hidden=64, layers=23),
        tokenizer=clip_tokenizer(pad_token="!"),
        scheduler=diffusers.DDIMScheduler(
            **_schedule(clip_sample=False, set_alpha_to_one=False, prediction_type=prediction_type)
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    if prediction_type == "v_prediction":  # as wide as that of the real one, 0.13
        bias = pipe.unet.up_blocks[-1].attentions[-1].transformer_blocks[0].norm1.bias
        torch.nn.init.normal_(bias, std=0.13)
    return pipe, open_clip_tensors(pipe.text_encoder, "cond_stage_model.model.", unread_layers=1)


def _make_sdxl(**options: Any) -> tuple[Any, dict[str, Tensor]]:
    import diffusers

    pipe = diffusers.StableDiffusionXLPipeline(
        unet=diffusers.UNet2DConditionModel(**SDXL_UNET | options),
        vae=_vae(scaling_factor=0.13025),
        text_encoder=_encoder(hidden=64, act="quick_gelu"),
        text_encoder_2=_encoder(hidden=128, projection=96),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(pad_token="!"),
        scheduler=diffusers.EulerDiscreteScheduler(**_schedule(timestep_spacing="leading")),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    return pipe, {
        **clip_tensors(pipe.text_encoder, "conditioner.embedders.0.transformer."),
        **open_clip_tensors(pipe.text_encoder_2, "conditioner.embedders.1.model."),
    }


def _make_refiner() -> tuple[Any, dict[str, Tensor]]:
    import diffusers

    pipe = diffusers.StableDiffusionXLImg2ImgPipeline(
        unet=diffusers.UNet2DConditionModel(**REFINER_UNET),
        vae=_vae(scaling_factor=0.13025),
        text_encoder=None,
        text_encoder_2=_encoder(hidden=128, projection=96),
        tokenizer=None,
        tokenizer_2=clip_tokenizer(pad_token="!"),
        scheduler=diffusers.EulerDiscreteScheduler(**_schedule(timestep_spacing="leading")),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    return pipe, open_clip_tensors(pipe.text_encoder_2, "conditioner.embedders.0.model.")


_MAKERS: dict[str, Callable[[], tuple[Any, dict[str, Tensor]]]] = {
    "sd1": _make_sd1,
    "sd1-one-resnet": lambda: _make_sd1(layers_per_block=1),
    "sd1-inpainting": lambda: _make_sd1(in_channels=9),
    "sd1-instruct-pix2pix": lambda: _make_sd1(in_channels=8),
    "sd2": _make_sd2,
    "sd2-v": lambda: _make_sd2("v_prediction"),
    "sd1-without-middle": lambda: _make_sd1(mid_block_type=None),
    "sdxl": _make_sdxl,
    "sdxl-distilled": lambda: _make_sdxl(  # as SSD-1B and Vega are
        transformer_layers_per_block=[0, [1, 1]],
        reverse_transformer_layers_per_block=[[1, 1, 2], 1],
        mid_block_type="UNetMidBlock2D",
    ),
    "sdxl-refiner": _make_refiner,
}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Checkpoint]:
    """Name of a kind -> a tiny checkpoint of it."""
    made: dict[str, Checkpoint] = {}

    def make(kind: str) -> Checkpoint:
        if kind not in made:
            torch.manual_seed(0)
            pipe, text = _MAKERS[kind]()
            folder = tmp_path_factory.mktemp(kind)
            pipe.save_pretrained(folder)
            names = unet_names(pipe.unet)
            unet = {names[name]: tensor for name, tensor in pipe.unet.state_dict().items()}
            leftovers = {"model_ema.decay": torch.tensor(0.9999), "betas": torch.rand(10)}
            tensors = {**unet, **vae_tensors(pipe.vae), **text, **leftovers}
            made[kind] = Checkpoint(folder, type(pipe).__name__, tensors)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def original_layout() -> Any:
    """The renaming of this file, for modules of any size."""
    return SimpleNamespace(
        unet_names=unet_names,
        vae_tensors=vae_tensors,
        clip_tensors=clip_tensors,
        open_clip_tensors=open_clip_tensors,
    )
