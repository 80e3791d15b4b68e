"""Names and configs in the original layout, against diffusers' conversion, which goes the other way."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from limelight.unet import UNet, UNetConfig, UNetConfigError
from limelight.unet.config.from_shapes import Unshaped, config_of
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.config.write_diffusers import describe
from limelight.unet.weights.load import parameters_on_meta
from limelight.unet.weights.original_names import original_names

Contents = dict[str, dict[str, Any]]
SD1: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768}
SD2 = {
    "sample_size": 96,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SDXL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "transformer_layers_per_block": (1, 2, 10),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
REFINER = SDXL | {
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 1280,
    "attention_head_dim": (6, 12, 24, 24),
    "transformer_layers_per_block": 4,
    "projection_class_embeddings_input_dim": 2560,
}
# As published: how many tensors there are under model.diffusion_model, and what their shapes do not show.
FULL_SIZE = {
    "sd1": (SD1, 686, Unshaped(sample_size=64, num_heads=8, head_dim=None)),
    "sd1-inpainting": (SD1 | {"in_channels": 9}, 686, Unshaped(sample_size=64, num_heads=8, head_dim=None)),
    "sd2": (SD2, 686, Unshaped(sample_size=96, num_heads=None, head_dim=64)),
    "sdxl": (SDXL, 1680, Unshaped(sample_size=128, num_heads=None, head_dim=64, size_embed_dim=256)),
    "refiner": (REFINER, 1220, Unshaped(sample_size=128, num_heads=None, head_dim=64, size_embed_dim=256)),
}


def shapes_of(config: UNetConfig) -> dict[str, tuple[int, ...]]:
    """Original name -> shape, of a U-Net on meta."""
    with parameters_on_meta():
        state = UNet(config).state_dict()
    return {name: tuple(state[ours].shape) for name, ours in original_names(config, state).items()}


@pytest.mark.parametrize("family", FULL_SIZE)
def test_full_size_names_are_those_that_diffusers_converts(family: str) -> None:
    from diffusers import UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    content, num_tensors, unshaped = FULL_SIZE[family]
    with torch.device("meta"):
        theirs = UNet2DConditionModel(**content)
    state = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    config = read_config(dict(theirs.config))
    names = original_names(config, state)
    assert len(names) == num_tensors
    checkpoint = {f"model.diffusion_model.{name}": name for name in names}
    assert convert_ldm_unet_checkpoint(checkpoint, dict(theirs.config)) == {v: k for k, v in names.items()}
    assert config_of({name: state[ours] for name, ours in names.items()}, unshaped) == config
    assert read_config(describe(config)) == config


def test_every_variant_is_described_so_that_it_reads_back(contents: Contents, variant: str) -> None:
    from diffusers import UNet2DConditionModel

    config = read_config(contents[variant])
    assert read_config(describe(config)) == config
    with torch.device("meta"):
        theirs = UNet2DConditionModel.from_config(describe(config)).state_dict()
    with parameters_on_meta():
        ours = UNet(config).state_dict()
    assert {name: t.shape for name, t in theirs.items()} == {name: t.shape for name, t in ours.items()}


SHAPED = ["sd1", "sd1-four-levels", "sd2", "sdxl", "inpainting", "small-sd", "tiny-sd"]
SHAPED += ["mid-without-attention", "layers-per-level", "scale-shift"]


@pytest.mark.parametrize("name", SHAPED)
def test_a_config_is_read_off_shapes(contents: Contents, name: str) -> None:
    config = read_config(contents[name])
    heads, lowest = config.down[-1].num_heads, config.down[-1].channels
    unshaped = Unshaped(
        sample_size=8,
        num_heads=None if config.linear_projection else heads,
        head_dim=lowest // heads if config.linear_projection else None,
        size_embed_dim=8 if config.added else None,
        norm_num_groups=8,
    )
    assert replace(config_of(shapes_of(config), unshaped), sample_size=config.sample_size) == config


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("input_blocks.0.0.weight", "input_blocks.0.0.weight is missing"),
        ("input_blocks.2.", "input_blocks.2 is missing"),
        ("output_blocks.0.", "output_blocks.0 is missing"),
        ("output_blocks.3.1.proj_in.", "2 of 3 layers of a level have attention"),
        (".attn2.to_k.weight", r"no \*.attn2.to_k.weight"),
        ("input_blocks.1.0.out_layers.3.weight", r"input_blocks.\*.0.out_layers.3.weight is missing"),
    ],
)
def test_shapes_of_no_unet_are_refused(contents: Contents, missing: str, message: str) -> None:
    shapes = shapes_of(read_config(contents["sd1"]))
    kept = {name: shape for name, shape in shapes.items() if missing not in name}
    with pytest.raises(UNetConfigError, match=message):
        config_of(kept, Unshaped(sample_size=8, num_heads=4, head_dim=None))
