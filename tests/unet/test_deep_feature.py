"""A U-Net that takes an earlier call's deep feature computes the surface alone."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, plan
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Recording
from limelight.unet import DeepCacheUNet, DeepFeature, optimize


@pytest.fixture(params=["plain", "fast"])
def make(request: pytest.FixtureRequest, saved, tmp_path: Path):
    """make(variant) -> the U-Net, plain or optimized."""

    def load(variant: str) -> DeepCacheUNet:
        unet = DeepCacheUNet.from_pretrained(saved(variant))
        return unet if request.param == "plain" else optimize(unet, timings_file=tmp_path / "timings.json")

    return load


def guided(arguments: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same latent for both rows, as guidance asks."""
    return {name: each if name == "context" else each[[0, 0]] for name, each in arguments.items()}


@pytest.mark.parametrize("make", ["plain"], indirect=True)
def test_its_own_feature_gives_its_own_prediction_and_leaving_it_changes_no_bit(make, variant, inputs):
    check_own_feature(make(variant), inputs)


@pytest.mark.parametrize("make", ["fast"], indirect=True)
@pytest.mark.parametrize("variant", ["sd1", "sdxl", "tiny-sd"])
def test_so_does_that_of_a_fast_one(make, variant, inputs):
    check_own_feature(make(variant), inputs)


@torch.inference_mode()
def check_own_feature(unet, inputs):
    deep = DeepFeature()
    arguments = guided(inputs(unet.config)[0])
    expected = unet(**arguments)
    assert unet(**arguments, deep=deep).equal(expected)
    assert deep.kept is not None
    torch.testing.assert_close(unet(**arguments, deep=deep), expected, atol=1e-6, rtol=1e-5)


@torch.inference_mode()
def test_at_another_timestep_only_the_surface_is_new(make, inputs):
    unet, deep = make("sd1"), DeepFeature()
    arguments = inputs(unet.config)[0]
    unet(**arguments, deep=deep)
    kept = deep.kept
    later = arguments | {"x": arguments["x"] * 0.9, "timesteps": arguments["timesteps"] * 0.9}
    kinds = {site.name: site.kind for site in unet.sites}
    chosen = plan(unet.attention_specs(16, 16, 7, batch=2), kinds)
    recording = Recording("site", 7)
    recorder = RowRecorder([recording, None])
    backends = {name: choice.backend for name, choice in chosen.items()}
    taken = unet(**later, attention=AttentionRuntime(backends, recorder), deep=deep)
    recorder.commit()
    assert list(recording.sums) == ["up_blocks.2.attentions.2.transformer_blocks.0.attn2"]
    assert deep.kept is kept
    exact = unet(**later)
    assert not taken.equal(exact)
    assert (taken - exact).norm() < exact.norm()  # of its own skip and timestep, it is still a prediction


@torch.inference_mode()
def test_a_feature_of_other_rows_or_another_size_is_refused(make, inputs):
    unet, deep = make("sd1"), DeepFeature()
    unet(**inputs(unet.config)[0], deep=deep)
    with pytest.raises(ValueError, match="the deep feature has 2 rows of 16x16 and x 1 of 16x16; give one"):
        unet(**inputs(unet.config, batch=1)[0], deep=deep)
    with pytest.raises(ValueError, match="the deep feature has 2 rows of 16x16 and x 2 of 24x16; give one"):
        unet(**inputs(unet.config, height=24)[0], deep=deep)
