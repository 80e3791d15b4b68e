"""A LoRA that does not fit is refused with a reason, and the model stays as it was."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import AdapterError
from limelight.unet import UNet, WeightsError
from tests.pipeline.adapters.lora_files import assert_equal, saved, weights

UNET = "unet.down_blocks.0.attentions.0.transformer_blocks.0"
PAIR = {
    f"{UNET}.attn1.to_q.lora_A.weight": torch.ones(2, 16),
    f"{UNET}.attn1.to_q.lora_B.weight": torch.ones(16, 2),
}


def refusal(pipe: TextToImagePipeline, path: Path, tensors: Mapping[str, Tensor], **options: Any) -> str:
    """The message about a file; the model does not change."""
    before = weights(pipe)
    saved(tensors, path)
    with pytest.raises(AdapterError) as error:
        pipe.load_lora(path, **options)
    assert_equal(weights(pipe), before)
    assert pipe.model.adapters.record() == []
    return str(error.value)


def test_one_for_another_family_is_refused(
    sd: TextToImagePipeline, sdxl_folder: Path, tmp_path: Path
) -> None:
    path, tensors = tmp_path / "x.safetensors", {}
    for name, layer in UNet.from_pretrained(sdxl_folder / "unet").named_modules():
        if ".attn2." in name and isinstance(layer, nn.Linear):
            tensors[f"unet.{name}.lora_A.weight"] = torch.ones(2, layer.in_features)
            tensors[f"unet.{name}.lora_B.weight"] = torch.ones(layer.out_features, 2)
    unknown = [key for key in tensors if "transformer_blocks.1" in key]
    message = refusal(sd, path, tensors)
    assert message.startswith(
        f"{path} is a LoRA for another family (context of 40); this model is another family (context of 24)\n"
        f"  {len(unknown)} of {len(tensors)} weights unknown, the first 5:\n"
    )
    assert message.count("\n    unet.") == 5


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl")])
def test_the_family_is_told_by_the_context(
    sd: TextToImagePipeline, tmp_path: Path, width: int, family: str
) -> None:
    shapes = {"A": (1, width), "B": (16, 1)}
    tensors = {f"{UNET}.attn2.to_k.lora_{x}.weight": torch.zeros(shape) for x, shape in shapes.items()}
    assert refusal(sd, tmp_path / "x.safetensors", tensors) == (
        f"{tmp_path / 'x.safetensors'} is a LoRA for {family} (context of {width}); "
        "this model is another family (context of 24)\n"
        "  1 of 2 weights of another shape, the first 1:\n"
        f"    {UNET}.attn2.to_k is [16, {width}] and must be [16, 24]"
    )


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (
            PAIR | {"unet.nowhere.lora_A.weight": torch.ones(2)},
            "1 of 3 weights unknown, the first 1:\n    unet.nowhere.lora_A",
        ),
        (PAIR | {f"{UNET}.attn1.to_q.other": torch.ones(2)}, "1 of 3 weights unknown"),
        (
            PAIR | {f"{UNET}.attn1.to_q.lora_B.weight": torch.ones(16, 3)},
            f"{UNET}.attn1.to_q is factors that do not fit together and must be [16, 16]",
        ),
        (
            PAIR | {f"{UNET}.attn1.to_q.lora_A.weight": torch.ones(2, 17)},
            f"{UNET}.attn1.to_q is [16, 17] and must be [16, 16]",
        ),
        (dict([*PAIR.items()][:1]), f"has no up weights for {UNET}.attn1.to_q; a LoRA has both"),
        (PAIR | {f"{UNET}.attn1.to_q.alpha": torch.ones(2)}, "1 of 3 weights unknown"),
        (
            {f"{UNET}.attn1.to_q.lora_{x}.weight": torch.ones(()) for x in "AB"},
            f"{UNET}.attn1.to_q is factors that do not fit together",
        ),
        (
            {
                f"{UNET}.attn1.to_q.lora_{x}.weight": torch.ones(s)
                for x, s in (("A", (0, 16)), ("B", (16, 0)))
            },
            f"{UNET}.attn1.to_q is factors that do not fit together",
        ),
        ({}, "holds no weights"),
        (
            {f"{UNET}.attn1.to_q.lora_magnitude_vector": torch.ones(16)},
            f"has no down and up weights for {UNET}.attn1.to_q",
        ),
        ({"lora_unet_x.hada_w1_a": torch.ones(16)}, "1 of 1 weights unknown"),
        ({"lora_unet_x.oft_blocks": torch.ones(16)}, "is OFT, which is not supported"),
        ({"lora_unet_x.diff": torch.ones(16)}, "is a difference of whole weights, which is not supported"),
    ],
)
def test_files_that_do_not_fit_are_refused(
    sd: TextToImagePipeline, tmp_path: Path, tensors: dict[str, Tensor], message: str
) -> None:
    assert message in refusal(sd, tmp_path / "x.safetensors", tensors)


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 10.5, -11])
def test_weights_out_of_range_are_refused(sd: TextToImagePipeline, tmp_path: Path, weight: float) -> None:
    message = refusal(sd, tmp_path / "x.safetensors", PAIR, weight=weight)
    assert message == f"the weight of a LoRA is {weight}; must be from -10 to 10"


def test_names_and_files_are_checked(sd: TextToImagePipeline, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match=r"has 0 .safetensors files .none.; name one of them"):
        sd.load_lora(tmp_path)
    path = saved(PAIR, tmp_path / "x.safetensors")
    sd.load_lora(path)
    with pytest.raises(
        AdapterError, match=r"x.safetensors is in use already, as 'x'; unload that one to change"
    ):
        sd.load_lora(path, name="y")
    (tmp_path / "other").mkdir()
    other = saved({key: 2 * value for key, value in PAIR.items()}, tmp_path / "other" / "x.safetensors")
    with pytest.raises(AdapterError, match="a LoRA named 'x' is in use; give this one another name"):
        sd.load_lora(other, name="x")
    sd.load_lora(other)
    assert [used["name"] for used in sd.model.adapters.record()] == ["x", "x-2"]
    with pytest.raises(AdapterError, match="no LoRA named 'y' is in use; in use: x, x-2"):
        sd.unload_lora("y")
    with pytest.raises(AdapterError, match=r"does not exist; give a .safetensors file"):
        sd.load_lora(tmp_path / "none.safetensors")
    saved(PAIR, tmp_path / "second.safetensors")
    with pytest.raises(AdapterError, match=r"has 2 .safetensors files .second.safetensors, x.safetensors."):
        sd.load_lora(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"), [("cut", "It is cut off"), ("pickle", "is a pickle"), ("nan", "has NaN")]
)
def test_a_damaged_file_is_refused(
    sd: TextToImagePipeline, tmp_path: Path, damage: str, message: str
) -> None:
    path = saved(
        {key: value * (float("nan") if damage == "nan" else 1) for key, value in PAIR.items()},
        tmp_path / "x.safetensors",
    )
    if damage == "cut":
        with open(path, "r+b") as file:
            file.truncate(path.stat().st_size - 1)
    if damage == "pickle":
        path.write_bytes(pickle.dumps(PAIR))
    with pytest.raises(WeightsError, match=message):
        sd.load_lora(path)
    assert sd.model.adapters.record() == []


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "the configuration of the LoRA is not valid JSON"),
        ("[]", "the configuration of the LoRA is a list; must be an object"),
        ('{"unet.lora_alpha": "x"}', "alpha is 'x'; must be a finite number"),
        ('{"unet.lora_alpha": NaN}', "alpha is nan; must be a finite number"),
        ('{"unet.alpha_pattern": {"(a+)+$": 1}}', "alpha_pattern is {'(a+)+$': 1}; must have the names of"),
    ],
)
def test_a_malformed_configuration_is_refused(
    sd: TextToImagePipeline, tmp_path: Path, config: str, message: str
) -> None:
    save_file(PAIR, tmp_path / "x.safetensors", metadata={"lora_adapter_metadata": config})
    with pytest.raises(AdapterError) as error:
        sd.load_lora(tmp_path / "x.safetensors")
    assert message in str(error.value)
