"""Determines what a single-file checkpoint was trained to predict, and its scheduler."""

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from limelight.pipeline.errors import ModelError
from limelight.pipeline.families import Family, SingleFile
from limelight.unet import UNetConfig
from limelight.unet.weights.header import TensorEntry

logger = logging.getLogger(__name__)

_SCHEDULES: dict[str, dict[str, Any]] = {
    "PNDMScheduler": {"skip_prk_steps": True, "set_alpha_to_one": False},
    "DDIMScheduler": {"clip_sample": False, "set_alpha_to_one": False},
    "EulerDiscreteScheduler": {"interpolation_type": "linear", "use_karras_sigmas": False},
}

_STATED = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
# SD2's two types do not differ in shapes. The bias of the last attention layer's first norm has a larger
# spread in models that predict v. ComfyUI uses this rule of thumb too.
_SPREAD_OF_V = 0.09


class PredictionAssumed(UserWarning):
    """The prediction type was guessed by a rule of thumb; the message says how to change it."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model predicts.

    Attributes:
        type: `epsilon` or `v_prediction`.
        zero_snr: whether it was trained with zero terminal SNR (Lin et al., arXiv:2305.08891).
    """

    type: str
    zero_snr: bool = False


def prediction_of(
    path: Path,
    entries: Mapping[str, TensorEntry],
    notes: Mapping[str, str],
    family: Family,
    config: UNetConfig,
    read: Callable[[str], Tensor],
) -> Prediction:
    """The prediction type, from the first available source: marker keys `v_pred` and `ztsnr`, notes, SD2's
    weights.

    Args:
        entries: the tensors of the whole file.
        read: reads a tensor by its name in the file.

    Warns:
        PredictionAssumed: the type was guessed from SD2's weights.

    Raises:
        ModelError: it predicts neither noise nor velocity.
    """
    for key in ("edm_mean", "edm_vpred.sigma_max"):
        if key in entries:
            raise ModelError(f"{path} was trained after EDM ({key!r}); supported: noise and v prediction")
    zero_snr = "ztsnr" in entries
    noted = notes.get("modelspec.prediction_type", "").lower()
    if noted and noted not in _STATED:
        raise ModelError(f"{path} notes prediction_type {noted!r}; supported: {', '.join(sorted(_STATED))}")
    if "v_pred" in entries:
        reason, type = "its key v_pred", "v_prediction"
    elif noted:
        reason, type = f"its note modelspec.prediction_type={noted}", _STATED[noted]
    elif notes.get("modelspec.architecture", "").startswith("stable-diffusion-v2-768-v"):
        reason, type = "its note modelspec.architecture", "v_prediction"
    elif family.name == "sd2" and config.in_channels == 4:
        return Prediction(_judged(path, read(_probe(config))), zero_snr)
    else:
        reason, type = f"being {family.name} with nothing else noted", "epsilon"
    logger.info("%s predicts %s%s, according to %s", path, type, " at zero SNR" if zero_snr else "", reason)
    return Prediction(type, zero_snr)


def _judged(path: Path, bias: Tensor) -> str:
    spread = float(torch.std(bias.float(), unbiased=False))
    type, sign = ("v_prediction", ">") if spread > _SPREAD_OF_V else ("epsilon", "<=")
    warnings.warn(
        f"{path} does not say what it predicts; taken as {type}, as its weights look ({spread:.3f} {sign} "
        f"{_SPREAD_OF_V}). If its pictures are only noise: limelight convert it, and change prediction_type "
        "in scheduler/scheduler_config.json",
        PredictionAssumed,
        stacklevel=2,
    )
    return type


def _probe(config: UNetConfig) -> str:
    """The name in the file of the bias of the first norm in the last attention layer on the way up."""
    layers = [level.depths for level in config.up for _ in range(level.num_resnets)]
    last = max(i for i, depths in enumerate(layers) if depths)
    return f"model.diffusion_model.output_blocks.{last}.1.transformer_blocks.0.norm1.bias"


def scheduler_config(facts: SingleFile, prediction: Prediction) -> dict[str, Any]:
    """The noise schedule that all Stable Diffusion models were trained with, and their usual scheduler."""
    cls = facts.scheduler
    if prediction.zero_snr and cls == "PNDMScheduler":  # it has no terminal SNR of zero
        cls = "DDIMScheduler"
    config = {
        "_class_name": cls,
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "trained_betas": None,
        "prediction_type": prediction.type,
        "timestep_spacing": "leading",
        "steps_offset": 1,
        **_SCHEDULES[cls],
    }
    if prediction.zero_snr:  # Lin et al. 2023, arXiv:2305.08891, sections 3.1 and 3.3
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return config
