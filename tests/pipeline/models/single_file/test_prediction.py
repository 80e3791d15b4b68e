"""The prediction type of a checkpoint: read if it is stated, otherwise inferred with a message."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import FAMILIES
from limelight.pipeline.models.single_file.prediction import (
    Prediction,
    PredictionAssumed,
    prediction_of,
    scheduler_config,
)
from limelight.pipeline.requests.schedulers import make_scheduler
from limelight.unet import UNetConfig
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.weights.header import TensorEntry

CONFIG = read_config({"cross_attention_dim": 1024})
BY_NAME = {family.name: family for family in FAMILIES}
PROBE = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


def predict(
    family: str = "sd1",
    keys: tuple[str, ...] = (),
    notes: dict[str, str] | None = None,
    spread: float = 0.0,
    config: UNetConfig = CONFIG,
) -> Prediction:
    def read(name: str) -> torch.Tensor:
        assert name == PROBE
        return torch.tensor([spread, -spread])

    entries = dict.fromkeys(keys, TensorEntry(torch.float32, (0,), 0, 0))
    return prediction_of(Path("m.safetensors"), entries, notes or {}, BY_NAME[family], config, read)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_a_marker_key_decides(family: str) -> None:
    assert predict(family, ("v_pred",)) == Prediction("v_prediction")
    assert predict(family, ("v_pred", "ztsnr")) == Prediction("v_prediction", zero_snr=True)


@pytest.mark.parametrize(
    ("notes", "type"),
    [
        ({"modelspec.prediction_type": "v"}, "v_prediction"),
        ({"modelspec.prediction_type": "epsilon"}, "epsilon"),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v_prediction"),
    ],
)
def test_metadata_overrides_what_the_weights_look_like(notes: dict[str, str], type: str) -> None:
    assert predict("sd2", notes=notes, spread=0.05 if type == "v_prediction" else 0.13).type == type


@pytest.mark.parametrize(("spread", "type"), [(0.13, "v_prediction"), (0.04, "epsilon")])
def test_sd2_is_judged_by_its_weights_and_a_message_says_so(spread: float, type: str) -> None:
    with pytest.warns(PredictionAssumed, match=f"taken as {type}.*change prediction_type"):
        assert predict("sd2", spread=spread).type == type


def test_inpainting_models_of_sd2_predict_noise() -> None:
    assert predict("sd2", config=replace(CONFIG, in_channels=9)).type == "epsilon"


def test_assumptions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert predict("sdxl").type == "epsilon"
    assert "predicts epsilon, according to being sdxl with nothing else noted" in caplog.text


@pytest.mark.parametrize(
    ("keys", "notes", "message"),
    [
        (("edm_mean",), {}, "trained after EDM"),
        ((), {"modelspec.prediction_type": "flow"}, "notes prediction_type 'flow'; supported: eps, epsilon"),
    ],
)
def test_other_predictions_are_refused(keys: tuple[str, ...], notes: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        predict("sdxl", keys, notes)


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("zero_snr", [False, True])
def test_the_scheduler_can_be_made_and_knows_everything_in_its_config(family: str, zero_snr: bool) -> None:
    facts = BY_NAME[family].single_file
    assert facts is not None
    config = scheduler_config(facts, Prediction("v_prediction", zero_snr))
    scheduler = make_scheduler("model", config)
    assert {key: scheduler.config[key] for key in config if key[0] != "_"} == {
        key: value for key, value in config.items() if key[0] != "_"
    }
    assert (float(scheduler.alphas_cumprod[-1]) < 1e-4) == zero_snr
