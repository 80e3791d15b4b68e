"""Makes diffusers' schedulers from a model's configuration, as far as they can draw with it."""

from collections.abc import Mapping
from importlib import import_module
from inspect import signature
from typing import Any

from limelight.pipeline.errors import RequestError, UnknownName, UsageError

# Those that a model's folder may name: they step a latent from noise to a picture.
MODULES: Mapping[str, str] = {
    "DDIMScheduler": "scheduling_ddim",
    "DDPMScheduler": "scheduling_ddpm",
    "PNDMScheduler": "scheduling_pndm",
    "LMSDiscreteScheduler": "scheduling_lms_discrete",
    "EulerDiscreteScheduler": "scheduling_euler_discrete",
    "EulerAncestralDiscreteScheduler": "scheduling_euler_ancestral_discrete",
    "HeunDiscreteScheduler": "scheduling_heun_discrete",
    "KDPM2DiscreteScheduler": "scheduling_k_dpm_2_discrete",
    "KDPM2AncestralDiscreteScheduler": "scheduling_k_dpm_2_ancestral_discrete",
    "DPMSolverMultistepScheduler": "scheduling_dpmsolver_multistep",
    "DPMSolverSinglestepScheduler": "scheduling_dpmsolver_singlestep",
    "DPMSolverSDEScheduler": "scheduling_dpmsolver_sde",
    "DEISMultistepScheduler": "scheduling_deis_multistep",
    "UniPCMultistepScheduler": "scheduling_unipc_multistep",
    "SASolverScheduler": "scheduling_sasolver",
    "LCMScheduler": "scheduling_lcm",
    "TCDScheduler": "scheduling_tcd",
    "IPNDMScheduler": "scheduling_ipndm",
    "EDMEulerScheduler": "scheduling_edm_euler",
    "EDMDPMSolverMultistepScheduler": "scheduling_edm_dpmsolver_multistep",
}
# Models that were trained after EDM (Karras et al. 2022, arXiv:2206.00364) have schedulers of their own.
_EDM: Mapping[str, str] = {
    "EulerDiscreteScheduler": "EDMEulerScheduler",
    "DPMSolverMultistepScheduler": "EDMDPMSolverMultistepScheduler",
}
_WITHOUT_SAMPLE = {
    *("PNDMScheduler", "EulerAncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "DPMSolverSDEScheduler"),
    *("KDPM2AncestralDiscreteScheduler", "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"),
}
_FAINTEST = 2.0**-24  # the share of signal that is left, as in diffusers' Euler


def build(cls_name: str, config: Mapping[str, Any], options: Mapping[str, Any] | None = None) -> Any:
    """A fresh scheduler of a class.

    Args:
        config: the model's `scheduler_config.json`.
        options: what is changed in it; None for the model's own scheduler.

    Raises:
        UnknownName: no such scheduler can draw here.
        UsageError: a package is missing, or the configuration does not go with the class.
    """
    if cls_name not in MODULES:
        raise UnknownName("scheduler class", cls_name, MODULES)
    values = {key: value for key, value in config.items() if key != "_class_name"} | dict(options or {})
    if options is not None and is_edm(config):
        cls_name, values = _edm(cls_name, values)
    try:
        cls = getattr(import_module(f"diffusers.schedulers.{MODULES[cls_name]}"), cls_name)
        known = signature(cls).parameters
        values = {key: value for key, value in values.items() if key in known}
        if (
            config.get("rescale_betas_zero_snr")
            and not {"rescale_betas_zero_snr", "sigma_data"} & known.keys()
        ):
            values["trained_betas"] = _without_terminal_signal(cls, values)
        return cls.from_config(values)
    except ImportError as error:
        package = "torchsde" if "torchsde" in str(error) else "scipy"
        raise UsageError(
            f"the scheduler {cls_name} needs the package {package}, which is not installed: "
            f"pip install {package}, or name another scheduler"
        ) from None
    except (ValueError, TypeError, NotImplementedError, RuntimeError, IndexError, ArithmeticError) as error:
        raise UsageError(
            f"the model's scheduler configuration does not go with {cls_name}: {str(error)[:300]}"
        ) from None


def is_edm(config: Mapping[str, Any]) -> bool:
    return str(config.get("_class_name", "")).startswith("EDM")


def check_prediction(scheduler: Any, name: str) -> None:
    """Raises RequestError if a scheduler, set to its steps, cannot use what the model predicts.

    Source: Lin et al. 2023, arXiv:2305.08891, section 3.2: where x is noise alone, predicting the noise says
    nothing about the picture.
    """
    kind = scheduler.config.get("prediction_type")
    if kind == "sample" and type(scheduler).__name__ in _WITHOUT_SAMPLE:
        raise RequestError(
            f"this model predicts the picture itself, which the scheduler {name!r} cannot use; use ddim, "
            "euler or dpm++2m"
        )
    alphas_cumprod = getattr(scheduler, "alphas_cumprod", None)
    if alphas_cumprod is None or kind != "epsilon":
        return
    first = int(scheduler.timesteps.max())
    if float(alphas_cumprod[min(first, len(alphas_cumprod) - 1)]) == 0:
        raise RequestError(
            f"the scheduler {name!r} begins with noise alone, where a model that predicts the noise, as this "
            "one does, says nothing about the picture; use euler-trailing"
        )


def _edm(cls_name: str, values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if cls_name not in _EDM:
        raise UsageError(
            f"{cls_name} is not for a model that was trained after EDM; use the scheduler `model`, or one of "
            "Euler's and DPM++ 2M's"
        )
    schedule = {"sigma_schedule": "karras"} if values.get("use_karras_sigmas") else {}
    return _EDM[cls_name], dict(values) | schedule


def _without_terminal_signal(cls: Any, values: Mapping[str, Any]) -> list[float]:
    """Betas that leave next to no signal at the end, for a class that does not rescale them itself. A little
    is left because these classes divide by it.

    Source: Lin et al. 2023, arXiv:2305.08891, section 3.1 and algorithm 1.
    """
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    betas = rescale_zero_terminal_snr(cls.from_config(dict(values)).betas).double()
    before = (1 - betas[:-1]).prod()
    betas[-1] = 1 - _FAINTEST / before
    return betas.tolist()
