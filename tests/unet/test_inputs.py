"""Wrong inputs are refused with the given value, the needed one, and the remedy."""

import pytest
import torch

from limelight.unet import UNet
from limelight.unet.inputs import check_inputs

WRONG = {
    "channels": (
        "sd1",
        {"x": torch.zeros(2, 9, 8, 8)},
        "x is (2, 9, 8, 8); needs (batch, 4, height, width); most models take 4 channels",
    ),
    "one timestep for two rows": (
        "sd1",
        {"timesteps": torch.tensor([1])},
        "timesteps is (1,); needs one per row, (2,): timesteps.expand(2)",
    ),
    "context of another text encoder": (
        "sd1",
        {"context": torch.zeros(2, 77, 1024)},
        "context is (2, 77, 1024); needs (2, tokens, 24), from the text encoder that belongs to this model",
    ),
    "context rows": (
        "sd1",
        {"context": torch.zeros(1, 77, 24)},
        "context is (1, 77, 24); needs (2, tokens, 24)",
    ),
    "dtype": (
        "sd1",
        {"x": torch.zeros(2, 4, 8, 8, dtype=torch.float16)},
        "x is torch.float16 and the weights are torch.float32; must be equal: x.to(unet.dtype)",
    ),
    "pooled for SD1": (
        "sd1",
        {"pooled": torch.zeros(2, 16)},
        "pooled is given; this U-Net takes none (SDXL's do)",
    ),
    "sizes for SD1": ("sd1", {"size_ids": torch.zeros(2, 6)}, "size_ids is given; this U-Net takes none"),
    "no pooled": (
        "sdxl",
        {"pooled": None},
        "pooled is missing; this U-Net needs it: the second text encoder",
    ),
    "no sizes": ("sdxl", {"size_ids": None}, "size_ids is missing; this U-Net needs it: original size, crop"),
    "refiner's sizes": (
        "sdxl",
        {"size_ids": torch.zeros(2, 5)},
        "pooled has 16 features and there are 5 size_ids of 8, 56 in all; needs 64 (SDXL base: 1280",
    ),
    "pooled rows": ("sdxl", {"pooled": torch.zeros(1, 16)}, "pooled is (1, 16); needs 2 rows, as many as x"),
    "no guidance": (
        "lcm",
        {"time_cond": None},
        "time_cond is missing; this U-Net needs it: guidance_embedding",
    ),
    "guidance features": ("lcm", {"time_cond": torch.zeros(2, 7)}, "time_cond has 7 features; needs 20"),
    "guidance for SD1": (
        "sd1",
        {"time_cond": torch.zeros(2, 20)},
        "time_cond is given; this U-Net takes none",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_inputs_are_refused_with_a_message(saved, inputs, case):
    variant, change, message = WRONG[case]
    unet = UNet.from_pretrained(saved(variant))
    arguments, _ = inputs(unet.config, height=8, width=8)
    absent = {"pooled": None, "size_ids": None, "attention": None, "time_cond": None}
    check_inputs(unet.config, unet.dtype, **absent | arguments)
    with pytest.raises(ValueError) as refusal:
        check_inputs(unet.config, unet.dtype, **absent | arguments | change)
    assert str(refusal.value).startswith(message)


def test_the_unet_checks_its_inputs(saved, inputs):
    unet = UNet.from_pretrained(saved("sdxl"))
    arguments, _ = inputs(unet.config, height=8, width=8)
    with pytest.raises(ValueError, match="pooled is missing"):
        unet(**arguments | {"pooled": None})


def test_autocast_may_mix_dtypes(saved, inputs):
    unet = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(unet.config, height=8, width=8)
    expected = unet(**arguments)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = unet(**arguments | {"x": arguments["x"].bfloat16()})
    torch.testing.assert_close(result.float(), expected, rtol=0.1, atol=0.1)


def test_the_folder_of_a_whole_pipeline_is_refused(tmp_path):
    (tmp_path / "model_index.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is a whole pipeline; its U-Net is .*/unet$"):
        UNet.from_pretrained(tmp_path)
