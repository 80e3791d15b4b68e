"""Weights are loaded completely and unchanged, or not at all."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import load_file, save_file
from torch import nn

from limelight.unet import UNet, UNetConfigError
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.weights import tensors
from limelight.unet.weights.find import find_weights
from limelight.unet.weights.header import WeightsError
from limelight.unet.weights.load import WeightsMismatch, load_strict, parameters_on_meta
from limelight.unet.weights.tensors import NonFiniteWeights, content_hash


@pytest.mark.parametrize("variant", [None, "fp16", "non_ema"])
@pytest.mark.parametrize("shard_size", ["10GB", "200KB"])
def test_finds_and_loads_whatever_diffusers_saves(model, tmp_path, variant, shard_size):
    model.save_pretrained(tmp_path, variant=variant, max_shard_size=shard_size)
    files = find_weights(tmp_path, variant=variant)
    assert (len(files) == 1) == (shard_size == "10GB")
    state = UNet.from_pretrained(tmp_path, variant=variant).state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("size", [100, 10_000])
def test_filters_are_read_into_the_order_in_which_they_are_used(model, tmp_path, monkeypatch, dtype, size):
    monkeypatch.setattr(tensors, "_PIECE", size)
    model.save_pretrained(tmp_path)
    state = UNet.from_pretrained(tmp_path, dtype=dtype).state_dict()
    for name, weight in model.state_dict().items():
        assert torch.equal(state[name], weight.to(dtype))
        assert weight.ndim != 4 or state[name].is_contiguous(memory_format=torch.channels_last)


def test_another_familys_weights_are_listed_and_nothing_is_loaded(saved):
    with parameters_on_meta():
        unet = UNet(read_config(saved("sd1")))
    with pytest.raises(WeightsMismatch) as refusal:
        load_strict(unet, saved("sdxl"))
    lines = str(refusal.value).splitlines()
    assert lines[0].endswith("diffusion_pytorch_model.safetensors holds weights of another model than UNet")
    for kind in ("missing", "unknown", "of another shape"):
        start = next(i for i, line in enumerate(lines) if f" {kind}, the first 5:" in line)
        assert all(line.startswith("    ") for line in lines[start + 1 : start + 6])
    assert any("is [48, 48] and must be [48, 48, 1, 1]" in line for line in lines)
    assert all(parameter.is_meta for parameter in unet.parameters())


def test_a_vae_is_no_unet(tmp_path):
    AutoencoderKL(block_out_channels=(32,), norm_num_groups=8).save_pretrained(tmp_path)
    with pytest.raises(UNetConfigError, match="_class_name is 'AutoencoderKL'"):
        UNet.from_pretrained(tmp_path)


@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_one_weight_too_few_or_too_many(saved, tmp_path, change):
    shutil.copytree(saved("sd1"), tmp_path, dirs_exist_ok=True)
    (file,) = find_weights(tmp_path)
    state = load_file(file)
    if change == "missing":
        del state["conv_in.bias"]
    else:
        state["conv_in.extra"] = torch.zeros(1)
    save_file(state, file)
    name = "conv_in.bias" if change == "missing" else "conv_in.extra"
    with pytest.raises(WeightsMismatch, match=f"  1 {change}, the first 1:\n    {name}$"):
        UNet.from_pretrained(tmp_path)


def test_a_weight_in_two_shards(tmp_path):
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for file in files:
        save_file(nn.Linear(2, 2).state_dict(), file)
    with pytest.raises(
        WeightsMismatch, match=r"'(weight|bias)' is given twice, by .*a\.safetensors and .*b\.safetensors"
    ):
        load_strict(nn.Linear(2, 2), files)


@pytest.mark.parametrize(
    ("weight", "dtype", "stays_finite"),
    [
        (float("nan"), None, False),
        (float("-inf"), torch.float32, False),
        (1e30, torch.float16, False),  # infinity in float16 only
        (1e30, torch.float32, True),
    ],
)
def test_weights_that_are_not_finite(tmp_path, weight, dtype, stays_finite):
    file = tmp_path / "w.safetensors"
    state = nn.Linear(3, 3).state_dict()
    state["weight"][1, 2] = weight
    save_file(state, file)
    load_strict(nn.Linear(3, 3), file, dtype=dtype)
    if stays_finite:
        load_strict(nn.Linear(3, 3), file, dtype=dtype, check_finite=True)
    else:
        with pytest.raises(NonFiniteWeights, match="'weight' has NaN or infinity"):
            load_strict(nn.Linear(3, 3), file, dtype=dtype, check_finite=True)


@pytest.mark.parametrize("stored", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("wanted", [torch.float32, torch.float16, torch.bfloat16, None])
def test_dtypes(tmp_path, stored, wanted):
    file = tmp_path / "w.safetensors"
    state = nn.Linear(3, 3).to(stored).state_dict()
    save_file(state, file)
    module = nn.Linear(3, 3)
    load_strict(module, file, dtype=wanted)
    assert module.weight.dtype == (wanted or stored)
    assert torch.equal(module.weight, state["weight"].to(wanted or stored))
    assert module.weight.requires_grad


def test_whole_numbers_and_empty_tensors_keep_their_dtype(tmp_path):
    module = nn.Module()
    module.register_buffer("steps", torch.tensor(7))
    module.register_buffer("nothing", torch.empty(0, 3))
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    module.steps.zero_()
    load_strict(module, tmp_path / "w.safetensors", dtype=torch.float16)
    assert module.steps == 7 and module.steps.dtype == torch.int64
    assert module.nothing.shape == (0, 3) and module.nothing.dtype == torch.float16


def test_renaming_and_leaving_out(tmp_path):
    state = nn.Linear(2, 2).state_dict()
    save_file(
        {f"old.{name}": weight for name, weight in state.items()} | {"step": torch.ones(1)}, tmp_path / "w"
    )
    module = nn.Linear(2, 2)
    load_strict(
        module, tmp_path / "w", rename=lambda name: None if name == "step" else name.removeprefix("old.")
    )
    assert torch.equal(module.weight, state["weight"])


def test_loaded_weights_do_not_depend_on_the_file_any_more(saved, tmp_path, inputs):
    shutil.copytree(saved("sd1"), tmp_path, dirs_exist_ok=True)
    unet = UNet.from_pretrained(tmp_path)
    arguments, _ = inputs(unet.config)
    before = unet(**arguments)
    for file in find_weights(tmp_path):
        file.write_bytes(b"")
    assert torch.equal(unet(**arguments), before)


def make_vae():
    return AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
    )


@pytest.mark.parametrize("make", [make_vae, AutoencoderTiny])
def test_loads_the_autoencoders_of_diffusers(tmp_path, make):
    theirs = make().eval()
    theirs.save_pretrained(tmp_path)
    with parameters_on_meta():
        ours = make().eval()
    load_strict(ours, tmp_path)
    theirs.to(memory_format=torch.channels_last)  # as ours lie
    latents = torch.randn(1, 4, 8, 8)
    with torch.inference_mode():
        assert torch.equal(ours.decode(latents).sample, theirs.decode(latents).sample)


def test_loads_the_text_encoders_of_transformers_with_the_buffers_that_no_file_holds(tmp_path):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    for kind in (CLIPTextModel, CLIPTextModelWithProjection):
        folder = tmp_path / kind.__name__
        theirs = kind(config).eval()
        theirs.save_pretrained(folder)
        with parameters_on_meta():
            ours = kind(config).eval()
        assert all(parameter.is_meta for parameter in ours.parameters())
        wanted = ours.state_dict()
        prefixed = next(iter(wanted)).startswith("text_model.")

        def rename(name: str, prefixed: bool = prefixed) -> str:
            bare = name.removeprefix("text_model.")
            return f"text_model.{bare}" if prefixed and not name.startswith("text_projection") else bare

        load_strict(ours, find_weights(folder, stem="model"), rename=rename)
        tokens = torch.randint(0, 100, (1, 77))
        with torch.inference_mode():
            assert torch.equal(ours(tokens)[0], theirs(tokens)[0])


def test_a_buffer_lost_on_meta_is_named(tmp_path):
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.empty(2))
            self.register_buffer("ids", torch.arange(2), persistent=False)

    save_file({"weight": torch.ones(2)}, tmp_path / "w.safetensors")
    with torch.device("meta"):
        lost = Positions()
    with pytest.raises(WeightsError, match="buffer 'ids' is in no file and was lost on meta"):
        load_strict(lost, tmp_path / "w.safetensors")
    with parameters_on_meta():
        kept = Positions()
    load_strict(kept, tmp_path / "w.safetensors")
    assert kept.ids.tolist() == [0, 1] and kept.weight.tolist() == [1, 1]


def test_content_hash(saved, model, tmp_path):
    (file,) = find_weights(saved("sd1"))
    expected = hashlib.sha256(file.read_bytes()).hexdigest()
    assert content_hash([file]) == content_hash(file) == content_hash(saved("sd1")) == expected

    model.save_pretrained(tmp_path, max_shard_size="200KB")
    whole = content_hash(tmp_path)
    moved = shutil.copytree(tmp_path, tmp_path / "moved")
    assert content_hash(moved) == whole != expected
    shard = find_weights(moved)[1]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    Path(shard).write_bytes(content)
    assert content_hash(moved) != whole
