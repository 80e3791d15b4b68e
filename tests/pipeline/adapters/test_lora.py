"""A LoRA draws what diffusers' pipeline draws with the same low-rank changes merged by hand, in float64."""

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.adapters.lora_names import Place, spellings, split_key
from limelight.pipeline.errors import AdapterError
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import read_config
from tests.pipeline.adapters.lora_changes import (
    kohya,
    merge,
    old_diffusers,
    original_layers,
    peft,
    random_changes,
)
from tests.pipeline.adapters.lora_files import assert_equal, saved, weights
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline

CLASSES = {"sd": "StableDiffusionPipeline", "sdxl": "StableDiffusionXLPipeline"}
REQUEST = GenerationRequest(
    prompt="a red apple",
    negative_prompt="blurry",
    seed=7,
    num_steps=4,
    guidance_scale=5.0,
    width=24,
    height=16,
)

SDXL = {
    "_class_name": "UNet2DConditionModel",
    "block_out_channels": [320, 640, 1280],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


@pytest.fixture(scope="module")
def stock_sd(sd_folder: Path) -> Any:
    return stock_pipeline(CLASSES["sd"], sd_folder)


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def folder(request: pytest.FixtureRequest, kind: str) -> Path:
    return request.getfixturevalue(f"{kind}_folder")


LAYOUTS = {"peft": peft, "kohya": kohya, "sgm": kohya, "old diffusers": old_diffusers}


@pytest.mark.parametrize(
    ("kind", "layout", "only", "alpha"),
    [
        ("sd", "peft", "", None),
        ("sd", "kohya", "", 1.0),
        ("sd", "old diffusers", "attn", None),
        ("sdxl", "peft", "", None),
        ("sdxl", "kohya", "", 4.0),
        ("sdxl", "sgm", "", 4.0),
    ],
    indirect=["kind"],
)
def test_the_picture_is_that_of_the_merged_weights(
    folder: Path, kind: str, layout: str, only: str, alpha: float | None, tmp_path: Path
) -> None:
    theirs, ours = (
        stock_pipeline(CLASSES[kind], folder),
        TextToImagePipeline.from_pretrained(folder, device="cpu"),
    )
    changes = random_changes(theirs, 1, only=only, alpha=alpha)
    names = original_layers(ours.model.unet) if layout == "sgm" else {}
    tensors = (
        kohya(changes, names, "lora_te1" if kind == "sdxl" else "lora_te")
        if alpha
        else LAYOUTS[layout](changes)
    )
    before, plain = weights(ours), ours(REQUEST).image
    ours.load_lora(saved(tensors, tmp_path / "style.safetensors"), 0.8)
    merge(theirs, changes, 0.8)
    picture = ours(REQUEST).image
    assert largest_difference(picture, drawn_by(theirs, REQUEST)) <= 1
    assert largest_difference(picture, plain) > 3
    ours.unload_lora("style")
    assert_equal(weights(ours), before)
    assert ours(REQUEST).image.tobytes() == plain.tobytes()


def test_two_at_once_and_one_taken_away(sd: TextToImagePipeline, sd_folder: Path, tmp_path: Path) -> None:
    theirs, ours = stock_pipeline(CLASSES["sd"], sd_folder), sd
    first = random_changes(theirs, 1, alpha=None)
    second = random_changes(theirs, 2, only="attn2", alpha=1.0, rank=3)
    before = weights(ours)
    ours.load_lora(saved(peft(first), tmp_path / "first.safetensors"), 0.7)
    alone = weights(ours)
    ours.load_lora(saved(kohya(second), tmp_path / "second.safetensors"), -0.5)
    merge(theirs, first, 0.7)
    merge(theirs, second, -0.5)
    assert largest_difference(ours(REQUEST).image, drawn_by(theirs, REQUEST)) <= 1
    ours.unload_lora("second")
    assert_equal(weights(ours), alone)
    ours.unload_lora()
    assert_equal(weights(ours), before)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_weights_do_not_depend_on_the_order_of_loras(
    sd_folder: Path, stock_sd: Any, tmp_path: Path, dtype: str
) -> None:
    files = [
        saved(peft(random_changes(stock_sd, i, only="attn1", alpha=None)), tmp_path / f"{i}.safetensors")
        for i in range(2)
    ]
    ours = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", dtype=dtype)
    before = weights(ours)
    for i in (0, 1):
        ours.load_lora(files[i], 0.5)
    ours.unload_lora("0")
    ours.load_lora(files[0], 0.5)
    ours.unload_lora("1")
    left = weights(ours)
    ours.unload_lora()
    assert_equal(weights(ours), before)
    ours.load_lora(files[0], 0.5)
    assert_equal(weights(ours), left)


def test_a_kernel_that_is_decomposed_too(sd: TextToImagePipeline, tmp_path: Path) -> None:
    name = "down_blocks.0.resnets.0.conv1"
    layer = sd.model.unet.get_submodule(name)
    up, mid, down = torch.randn(16, 3, 1, 1), torch.randn(3, 2, 3, 3), torch.randn(2, 16, 1, 1)
    stem = f"lora_unet_{name.replace('.', '_')}"
    factors = {"lora_up.weight": up, "lora_mid.weight": mid, "lora_down.weight": down}
    tensors = {f"{stem}.{role}": factor for role, factor in factors.items()}
    before = layer.weight.clone()
    sd.load_lora(saved(tensors | {f"{stem}.alpha": torch.tensor(1.0)}, tmp_path / "x.safetensors"))
    x = torch.randn(1, 16, 5, 5)
    expected = torch.conv2d(torch.conv2d(torch.conv2d(x, down), mid), up) / 2
    torch.testing.assert_close(torch.conv2d(x, layer.weight - before), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("linear", [True, False])
def test_a_linear_layer_and_a_1x1_convolution_are_the_same(
    sd_folder: Path, sdxl_folder: Path, tmp_path: Path, linear: bool
) -> None:
    ours = TextToImagePipeline.from_pretrained(sd_folder if linear else sdxl_folder, device="cpu")
    ones = () if linear else (1, 1)  # the file's layer is what the model's is not
    stem = "lora_unet_down_blocks_0_attentions_0_proj_in"
    layer = ours.model.unet.down_blocks[0].attentions[0].proj_in
    up, down, before = torch.randn(16, 2), torch.randn(2, 16), layer.weight.clone()
    tensors = {
        f"{stem}.lora_up.weight": up.reshape(16, 2, *ones),
        f"{stem}.lora_down.weight": down.reshape(2, 16, *ones),
    }
    ours.load_lora(saved(tensors, tmp_path / "x.safetensors"))
    torch.testing.assert_close((layer.weight - before).flatten(1), up @ down)


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({}, 1.0),
        ({"r": 2, "lora_alpha": 8}, 4.0),
        ({"r": 2, "lora_alpha": 8, "use_rslora": True}, 8 / 2**0.5),
        ({"r": 2, "lora_alpha": 8, "alpha_pattern": {"attn1.to_q": 3}}, 1.5),
    ],
)
@pytest.mark.parametrize("prefixed", [True, False])
def test_the_scale_that_peft_wrote_down(
    sd: TextToImagePipeline, tmp_path: Path, config: dict[str, Any], scale: float, prefixed: bool
) -> None:
    name = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    layer = sd.model.unet.get_submodule(name)
    up, down, before = torch.randn(16, 2), torch.randn(2, 16), layer.weight.clone()
    prefix = "base_model.model." if prefixed else "unet."
    tensors = {f"{prefix}{name}.lora_A.weight": down, f"{prefix}{name}.lora_B.weight": up}
    if prefixed:
        saved(tensors, tmp_path / "adapter_model.safetensors")
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    else:
        text = json.dumps({f"unet.{key}": value for key, value in config.items()})
        saved(tensors, tmp_path / "pytorch_lora_weights.safetensors", {"lora_adapter_metadata": text})
    sd.load_lora(tmp_path, 0.5)
    torch.testing.assert_close(layer.weight - before, 0.5 * scale * (up @ down), atol=1e-5, rtol=1e-5)


def test_the_original_names_are_those_that_diffusers_reads() -> None:
    """At SDXL's full size, every layer, by diffusers' own conversion."""
    from diffusers.loaders.lora_conversion_utils import (
        _convert_non_diffusers_lora_to_diffusers,
        _maybe_map_sgm_blocks_to_diffusers,
    )

    with torch.device("meta"):
        unet = UNet(read_config(SDXL))
    for ours, original in original_layers(unet).items():
        key = f"lora_unet_{original.replace('.', '_')}"
        tensors = {f"{key}.lora_down.weight": torch.zeros(1), f"{key}.lora_up.weight": torch.zeros(1)}
        mapped = _maybe_map_sgm_blocks_to_diffusers(tensors, SimpleNamespace(layers_per_block=2))
        theirs, _ = _convert_non_diffusers_lora_to_diffusers(mapped)
        found = {name.removeprefix("unet.") for name, _ in map(split_key, theirs)}
        assert found == {ours}, key
    known = spellings({"unet": unet})
    for ours, original in original_layers(unet).items():
        assert known[f"lora_unet_{original.replace('.', '_')}"] == Place("unet", ours)


def test_the_record_names_each_file_with_its_hash_and_weight(
    sd: TextToImagePipeline, stock_sd: Any, tmp_path: Path
) -> None:
    plain = sd(REQUEST)
    path = saved(peft(random_changes(stock_sd, 1, alpha=None)), tmp_path / "style.safetensors")
    sd.load_lora(path, 0.8, name="mine")
    result = sd(REQUEST)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert result.info["adapters"] == [
        {"kind": "lora", "name": "mine", "file": "style.safetensors", "sha256": sha256, "weight": 0.8}
    ]
    assert result.file_name != plain.file_name
    with Image.open(result.save(tmp_path / "a.png")) as image:
        assert f'Lora hashes: "mine: {sha256[:12]}"' in image.text["parameters"]


def test_weights_do_not_change_under_a_picture(sd: TextToImagePipeline, tmp_path: Path) -> None:
    stream = sd.stream([REQUEST])
    next(stream)
    for change in (sd.unload_lora, sd.unload_embedding, lambda: sd.load_lora(tmp_path)):
        with pytest.raises(
            AdapterError, match="1 streams are being drawn with these weights; finish or close"
        ):
            change()
    stream.close()
    sd.unload_lora()
