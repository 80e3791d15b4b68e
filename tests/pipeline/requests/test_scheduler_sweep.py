"""Every scheduler, with every kind of prediction, with and without a signal at the end, at every spacing,
against the one model whose pictures are known: the best denoiser of normally distributed data, which each
must lead back to the data's spread."""

from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.schedulers import SCHEDULERS, Schedulers
from limelight.pipeline.sampling.sampler import denoise

PREDICTIONS, SPACINGS = ("epsilon", "v_prediction", "sample"), ("leading", "trailing", "linspace")
SPREAD = 0.6
SECOND_ORDER = ("heun", "dpm2", "dpm2-a")
NO_SAMPLE = {"pndm", "euler-a", "dpm2", "dpm2-a"}  # diffusers' classes have no way to use it
BLIND = {"ddim", "ddim-trailing", "ddpm", "lcm", "tcd"}  # divide by a signal that is exactly zero
# How far the spread may be off after so few steps: consistency models make pictures in one, and these of more
# noise; those of first order are a tenth short.
TOLERANCE = {"lcm": 0.4, "euler-karras": 0.13} | dict.fromkeys(("ddpm", "euler-a"), 0.12)


def config_of(prediction: str, is_zero: bool, spacing: str) -> dict[str, Any]:
    return {
        **{"_class_name": "DDIMScheduler", "num_train_timesteps": 1000, "beta_schedule": "scaled_linear"},
        **{"beta_start": 0.00085, "beta_end": 0.012, "clip_sample": False, "set_alpha_to_one": False},
        **{"steps_offset": 1, "prediction_type": prediction, "timestep_spacing": spacing},
        "rescale_betas_zero_snr": is_zero,
    }


def signal(is_zero: bool) -> Tensor:
    """The square root of alpha-bar that the model was trained on.

    Source: Lin et al. 2023, arXiv:2305.08891, algorithm 1.
    """
    alpha = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000).double() ** 2).cumprod(0).sqrt()
    return (alpha - alpha[-1]) * alpha[0] / (alpha[0] - alpha[-1]) if is_zero else alpha


def drawn(name: str, config: dict[str, Any], num_steps: int) -> Tensor:
    schedulers = Schedulers(config)
    schedulers.check_steps(name, num_steps)
    scheduler, timesteps = schedulers.start(name, num_steps, seed=0)
    levels = signal(config["rescale_betas_zero_snr"])
    sigmas = (1 / levels**2 - 1).sqrt().clamp(max=1e4)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, 4, 24, 24, generator=generator) * scheduler.init_noise_sigma
    given = {"generator": generator, "eta": 0.0}
    options = {k: v for k, v in given.items() if k in signature(scheduler.step).parameters}
    for timestep in timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        low = int(timestep)
        high = min(low + 1, 999)
        sigma = sigmas[low] + (sigmas[high] - sigmas[low]) * (float(timestep) - low)
        a, b = float(1 / (1 + sigma**2).sqrt()), float(sigma / (1 + sigma**2).sqrt())
        clean = a * SPREAD**2 / (a**2 * SPREAD**2 + b**2) * scaled
        eps = (scaled - a * clean) / b
        kind = config["prediction_type"]
        prediction = {"epsilon": eps, "v_prediction": a * eps - b * clean, "sample": clean}[kind]
        if float(timestep) < 900 and float(timestep) == low:  # later two small numbers are divided
            torch.testing.assert_close(
                denoise(scheduler, x, prediction, timestep), clean, atol=2e-3, rtol=2e-2
            )
        x = scheduler.step(prediction, timestep, x, **options, return_dict=False)[0]
    return x


def expect(name: str, prediction: str, is_zero: bool, spacing: str, num_steps: int) -> None:
    config = config_of(prediction, is_zero, spacing)
    at_the_end = spacing != "leading" or name in ("ddim-trailing", "lcm", "tcd")
    if prediction == "sample" and name in NO_SAMPLE:
        with pytest.raises(RequestError, match="predicts the picture itself"):
            drawn(name, config, num_steps)
    elif is_zero and prediction == "epsilon" and name in BLIND and at_the_end:
        with pytest.raises(RequestError, match="begins with noise alone"):
            drawn(name, config, num_steps)
    else:
        spread = float(drawn(name, config, num_steps).std()) / SPREAD
        assert abs(spread - 1) < TOLERANCE.get(name, 0.08), f"{name} {config}: {spread:.3f}"


@pytest.mark.parametrize("is_zero", [False, True])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_datas_spread_is_found_again(name: str, is_zero: bool) -> None:
    for prediction in PREDICTIONS:
        expect(name, prediction, is_zero, "trailing", 40)


@pytest.mark.slow
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("is_zero", [False, True])
@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_datas_spread_is_found_again_in_every_case(
    name: str, prediction: str, is_zero: bool, spacing: str
) -> None:
    expect(name, prediction, is_zero, spacing, 40)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_no_signal_is_left_at_the_end_of_a_model_that_was_trained_so(name: str) -> None:
    schedulers = Schedulers(config_of("v_prediction", True, "trailing"))
    found = torch.as_tensor(schedulers.make(name).alphas_cumprod).double()
    torch.testing.assert_close(found[:-1], signal(True)[:-1] ** 2, atol=1e-5, rtol=1e-3)
    assert found[-1] <= 2**-23


@pytest.mark.parametrize("num_steps", [1, 2, 3, 5])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_few_steps_are_finite(name: str, num_steps: int) -> None:
    for is_zero in (False, True):
        if (name, num_steps, is_zero) == ("dpm2-a", 2, True):  # rounding leaves a square below zero
            with pytest.raises(RequestError, match="has no finite timesteps for so few"):
                drawn(name, config_of("v_prediction", is_zero, "trailing"), num_steps)
            continue
        x = drawn(name, config_of("v_prediction", is_zero, "trailing"), num_steps)
        assert x.isfinite().all()
        # Two evaluations of a step that spans all noise, or nearly all, are of no use together; k-diffusion's
        # Heun and DPM2 overshoot there as these do.
        if name not in SECOND_ORDER or (num_steps > 2 and not is_zero):
            assert x.std() < 3
