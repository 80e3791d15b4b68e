"""Our U-Net against diffusers' `UNet2DConditionModel`, through our own loader, from a saved folder."""

import gc
import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from limelight.unet import UNet
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.embeddings import guidance_embedding, sinusoids
from limelight.unet.weights.load import parameters_on_meta


def assert_equal_predictions(theirs: torch.Tensor, ours: torch.Tensor) -> None:
    assert theirs.isfinite().all()
    assert (theirs - ours).abs().max() <= 1e-5 * theirs.abs().max()


@torch.inference_mode()
def predict_both(folder, inputs, **size):
    ours = UNet.from_pretrained(folder)
    arguments, their_arguments = inputs(ours.config, **size)
    theirs = UNet2DConditionModel.from_pretrained(folder)
    return theirs(**their_arguments).sample, ours(**arguments)


def test_equals_diffusers(variant, saved, inputs):
    assert_equal_predictions(*predict_both(saved(variant), inputs))


@pytest.mark.parametrize("size", [(33, 17), (5, 12), (4, 4), (1, 1)])
@pytest.mark.parametrize("variant", ["sd1-four-levels", "sdxl", "tiny-sd"], indirect=True)
def test_equals_diffusers_at_any_size(variant, saved, inputs, size):
    assert_equal_predictions(*predict_both(saved(variant), inputs, height=size[0], width=size[1]))


def test_has_the_weights_of_diffusers(variant, saved):
    theirs = UNet2DConditionModel.from_pretrained(saved(variant)).state_dict()
    ours = UNet.from_pretrained(saved(variant)).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_gradients_equal_those_of_diffusers(saved, inputs):
    folder = saved("sdxl")
    ours, theirs = UNet.from_pretrained(folder).train(), UNet2DConditionModel.from_pretrained(folder).train()
    arguments, their_arguments = inputs(ours.config)
    (ours(**arguments) ** 2).mean().backward()
    (theirs(**their_arguments).sample ** 2).mean().backward()
    expected = {name: p.grad for name, p in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        grad = parameter.grad
        assert grad is not None, name
        torch.testing.assert_close(grad, expected[name], rtol=1e-4, atol=1e-7, msg=name)


def test_dropout_works_in_training_only(saved, inputs):
    unet = UNet.from_pretrained(saved("dropout"))
    arguments, _ = inputs(unet.config)
    with torch.no_grad():
        assert torch.equal(unet(**arguments), unet(**arguments))
        unet.train()
        assert not torch.equal(unet(**arguments), unet(**arguments))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_as_close_as_diffusers(saved, inputs, dtype):
    folder = saved("sd2")
    exact = UNet.from_pretrained(folder)
    arguments, _ = inputs(exact.config)
    halves = {name: t.to(dtype) if name in ("x", "context") else t for name, t in arguments.items()}
    with torch.inference_mode():
        expected = exact(**arguments)
        ours = UNet.from_pretrained(folder, dtype=dtype)(**halves)
        their_unet = UNet2DConditionModel.from_pretrained(folder, torch_dtype=dtype)
        theirs = their_unet(halves["x"], halves["timesteps"], halves["context"]).sample
    assert ours.dtype == dtype
    assert (ours - expected).abs().max() <= 2 * (theirs - expected).abs().max()


def test_channels_last(saved, inputs):
    unet = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(unet.config)
    with torch.inference_mode():
        expected = unet(**arguments)
        unet.to(memory_format=torch.channels_last)
        arguments["x"] = arguments["x"].to(memory_format=torch.channels_last)
        assert_equal_predictions(expected, unet(**arguments))


def test_rows_are_independent(saved, inputs):
    unet = UNet.from_pretrained(saved("sdxl"))
    arguments, _ = inputs(unet.config, batch=3)
    with torch.inference_mode():
        together = unet(**arguments)
        alone = torch.cat([unet(**{k: v[i : i + 1] for k, v in arguments.items()}) for i in range(3)])
    assert_equal_predictions(together, alone)


def test_guidance_embedding_is_that_of_the_lcm_pipeline():
    from diffusers import LatentConsistencyModelPipeline

    scales = torch.tensor([1.0, 7.5, 12.0])
    expected = LatentConsistencyModelPipeline.get_guidance_scale_embedding(None, scales - 1, embedding_dim=20)
    rounding = 1000 * 11 * 2**-22  # of the largest angle in float32; the order of operations differs
    torch.testing.assert_close(guidance_embedding(scales, 20), expected, rtol=0, atol=rounding)


@pytest.mark.parametrize("flip_sin_to_cos", [False, True])
@pytest.mark.parametrize("freq_shift", [0.0, 1.0])
def test_sinusoids_are_those_of_diffusers(flip_sin_to_cos, freq_shift):
    from diffusers.models.embeddings import get_timestep_embedding

    timesteps = torch.tensor([0, 1, 500, 999])
    expected = get_timestep_embedding(
        timesteps, 32, flip_sin_to_cos=flip_sin_to_cos, downscale_freq_shift=freq_shift
    )
    ours = sinusoids(timesteps, 32, flip_sin_to_cos=flip_sin_to_cos, freq_shift=freq_shift)
    assert torch.equal(ours, expected)


_SD1 = {"cross_attention_dim": 768}
_SD2 = {"attention_head_dim": [5, 10, 20, 20], "cross_attention_dim": 1024, "use_linear_projection": True}
_SDXL = {
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
FULL_SIZE = {
    "sd1.5": (_SD1, 859_520_964),
    "sd1.5-inpainting": (_SD1 | {"in_channels": 9}, 859_535_364),
    "sd2.1": (_SD2, 865_910_724),
    "sdxl-base": (_SDXL, 2_567_463_684),
    "sdxl-refiner": (
        _SDXL
        | {
            "attention_head_dim": [6, 12, 24, 24],
            "block_out_channels": [384, 768, 1536, 1536],
            "cross_attention_dim": 1280,
            "down_block_types": [
                "DownBlock2D",
                "CrossAttnDownBlock2D",
                "CrossAttnDownBlock2D",
                "DownBlock2D",
            ],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            "transformer_layers_per_block": 4,
            "projection_class_embeddings_input_dim": 2560,
        },
        None,
    ),
    "ssd-1b": (
        _SDXL
        | {
            "transformer_layers_per_block": [0, [2, 2], [4, 4]],
            "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
        },
        None,
    ),
}


@pytest.mark.parametrize("name", FULL_SIZE)
def test_full_size_weights_have_the_names_and_shapes_of_diffusers(name):
    content, num_parameters = FULL_SIZE[name]
    with torch.device("meta"):
        theirs = UNet2DConditionModel(**content)
    with parameters_on_meta():
        ours = UNet(read_config(content))
    shapes = {key: tensor.shape for key, tensor in ours.state_dict().items()}
    assert shapes == {key: tensor.shape for key, tensor in theirs.state_dict().items()}
    if num_parameters is not None:
        assert sum(p.numel() for p in ours.parameters()) == num_parameters


@pytest.mark.slow
def test_full_size_sd15_equals_diffusers(tmp_path, inputs):
    content = FULL_SIZE["sd1.5"][0]
    torch.manual_seed(0)
    theirs = UNet2DConditionModel(**content).eval()
    theirs.save_pretrained(tmp_path)
    config = read_config(json.loads((tmp_path / "config.json").read_text()))
    arguments, their_arguments = inputs(config, batch=1, height=32, width=32)
    with torch.inference_mode():
        expected = theirs(**their_arguments).sample
        del theirs
        gc.collect()
        assert_equal_predictions(expected, UNet.from_pretrained(tmp_path)(**arguments))
