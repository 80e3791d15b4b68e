"""Every part of a checkpoint in one file is the part that it was saved from, weight by weight."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import ModelError
from limelight.pipeline.models.single_file.load import load_single_file
from limelight.pipeline.models.single_file.parts import UnusedWeights
from limelight.unet import WeightsError

KINDS = [
    "sd1",
    "sd1-one-resnet",
    "sd1-inpainting",
    "sd1-instruct-pix2pix",
    "sd2",
    "sd2-v",
    "sdxl",
    "sdxl-refiner",
]
ASSUMED = "limelight.pipeline.models.single_file.prediction.PredictionAssumed"
pytestmark = pytest.mark.filterwarnings(f"ignore::{ASSUMED}")


def load(path: Path) -> Any:
    return load_single_file(path, name="tiny", device=torch.device("cpu"))


def saved_part(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_and_config_of_the_unet_is_the_saved_one(
    checkpoint: Callable[[str], Any], kind: str, tmp_path: Path
) -> None:
    from diffusers import UNet2DConditionModel

    made = checkpoint(kind)
    unet = load(made.save(tmp_path / "m.safetensors")).unet
    state, theirs = unet.state_dict(), saved_part(made.folder / "unet")
    assert state.keys() == theirs.keys()
    assert all(torch.equal(state[name], weight) for name, weight in theirs.items())

    reference = UNet2DConditionModel.from_pretrained(made.folder / "unet")
    random = torch.Generator().manual_seed(1)
    x = torch.randn(2, unet.config.in_channels, 8, 12, generator=random)
    context = torch.randn(2, 77, unet.config.context_dim, generator=random)
    t = torch.tensor([801, 3])
    ours: dict[str, Any] = {}
    added: dict[str, Any] = {}
    if unet.config.added:
        num_sizes = 5 if kind == "sdxl-refiner" else 6
        pooled, sizes = torch.randn(2, 96, generator=random), torch.arange(2 * num_sizes).view(2, -1)
        ours = {"pooled": pooled, "size_ids": sizes}
        added = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes}}
    with torch.inference_mode():
        expected = reference(x, t, context, **added).sample
        found = unet(x, t, context, **ours)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("kind", ["sd1", "sd2-v", "sdxl"])
def test_other_parts_are_the_saved_ones(checkpoint: Callable[[str], Any], kind: str, tmp_path: Path) -> None:
    made = checkpoint(kind)
    model = load(made.save(tmp_path / "m.safetensors"))
    modules = {"vae": model.vae, "text_encoder": model.text.encoders[0].model}
    modules |= {"text_encoder_2": model.text.encoders[-1].model} if kind == "sdxl" else {}
    for part, module in modules.items():
        state = {name.removeprefix("text_model."): weight for name, weight in module.state_dict().items()}
        theirs = {name.removeprefix("text_model."): w for name, w in saved_part(made.folder / part).items()}
        assert state.keys() == theirs.keys()
        assert all(torch.equal(state[name], weight) for name, weight in theirs.items())
        content = json.loads((made.folder / part / "config.json").read_text())
        same = {"hidden_act", "num_attention_heads", "eos_token_id", "pad_token_id", "scaling_factor"}
        for key in same & content.keys():
            assert getattr(module.config, key) == content[key], (part, key)


def test_weights_keep_the_dtype_of_the_file_or_get_the_requested_one(
    checkpoint: Callable[[str], Any], tmp_path: Path
) -> None:
    path = checkpoint("sd1").save(tmp_path / "half.safetensors", dtype=torch.float16)
    kept = load(path)
    assert {kept.unet.dtype, kept.vae.dtype, kept.text.encoders[0].model.dtype} == {torch.float16}
    ordered = TextToImagePipeline.from_pretrained(path, device="cpu").model
    assert {ordered.unet.dtype, ordered.vae.dtype} == {torch.float32}


@pytest.mark.parametrize(
    "missing", ["model.diffusion_model.out.2.bias", "first_stage_model.encoder.conv_out.bias"]
)
def test_a_missing_weight_is_an_error_not_a_random_number(
    checkpoint: Callable[[str], Any], missing: str, tmp_path: Path
) -> None:
    made = checkpoint("sd1")
    path = tmp_path / "m.safetensors"
    type(made)(made.folder, "", {k: t for k, t in made.tensors.items() if k != missing}).save(path)
    with pytest.raises(WeightsError, match="1 missing"):
        load(path)


def test_a_weight_without_a_place_is_an_error_inside_a_part_and_a_warning_beside_them(
    checkpoint: Callable[[str], Any], tmp_path: Path
) -> None:
    made = checkpoint("sd1")
    path = tmp_path / "m.safetensors"
    inside = {**made.tensors, "model.diffusion_model.time_stack.weight": torch.ones(1)}
    with pytest.raises(WeightsError, match=r"1 unknown(.|\n)*time_stack.weight"):
        load(type(made)(made.folder, "", inside).save(path))
    beside = {**made.tensors, "safety_checker.weight": torch.ones(1)}
    with pytest.warns(UnusedWeights, match=r"1 weights that belong to no part .*: safety_checker.weight"):
        load(type(made)(made.folder, "", beside).save(path))


def test_an_encoder_of_another_model_is_refused(checkpoint: Callable[[str], Any], tmp_path: Path) -> None:
    made, other = checkpoint("sd1"), checkpoint("sdxl")
    unet = {k: t for k, t in made.tensors.items() if k.startswith("model.")}
    rest = {k: t for k, t in other.tensors.items() if not k.startswith("model.")}
    path = type(made)(made.folder, "", unet | rest).save(tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match=r"is a sd1 checkpoint without its clip text encoder .found: cond"):
        load(path)
