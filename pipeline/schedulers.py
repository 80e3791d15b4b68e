"""The schedulers that a request can name, made from diffusers' classes and a model's own configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from pipeline.errors import UnknownName


@dataclass(frozen=True, slots=True)
class Recipe:
    """A diffusers scheduler class and what is changed in the model's configuration for it."""

    module: str
    cls: str
    options: Mapping[str, Any] = field(default_factory=dict)


def _dpm(**options: Any) -> Recipe:
    return Recipe("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler", options)


def _euler(**options: Any) -> Recipe:
    return Recipe("scheduling_euler_discrete", "EulerDiscreteScheduler", options)


SCHEDULERS: Mapping[str, Recipe] = {
    "ddim": Recipe("scheduling_ddim", "DDIMScheduler"),
    "ddpm": Recipe("scheduling_ddpm", "DDPMScheduler"),
    "pndm": Recipe("scheduling_pndm", "PNDMScheduler", {"skip_prk_steps": True}),
    "euler": _euler(),
    "euler-karras": _euler(use_karras_sigmas=True),
    "euler-a": Recipe("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"),
    "heun": Recipe("scheduling_heun_discrete", "HeunDiscreteScheduler"),
    "dpm2": Recipe("scheduling_k_dpm_2_discrete", "KDPM2DiscreteScheduler"),
    "dpm2-a": Recipe("scheduling_k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler"),
    "dpm++2m": _dpm(algorithm_type="dpmsolver++", use_karras_sigmas=False),
    "dpm++2m-karras": _dpm(algorithm_type="dpmsolver++", use_karras_sigmas=True),
    "dpm++2m-sde": _dpm(algorithm_type="sde-dpmsolver++", use_karras_sigmas=False),
    "dpm++2s": Recipe(
        "scheduling_dpmsolver_singlestep", "DPMSolverSinglestepScheduler", {"lower_order_final": True}
    ),
    "deis": Recipe("scheduling_deis_multistep", "DEISMultistepScheduler"),
    "unipc": Recipe("scheduling_unipc_multistep", "UniPCMultistepScheduler"),
    "lcm": Recipe("scheduling_lcm", "LCMScheduler"),
    "tcd": Recipe("scheduling_tcd", "TCDScheduler"),
}
OWN = "model"  # the scheduler that the model's folder names, as it stands there


def check_scheduler(name: str) -> None:
    """Raises UnknownName, with the valid names, unless `name` is one of them."""
    if name != OWN and name not in SCHEDULERS:
        raise UnknownName("scheduler", name, [OWN, *SCHEDULERS])


def make_scheduler(name: str, config: Mapping[str, Any]) -> Any:
    """A fresh diffusers scheduler, for one picture: schedulers carry state from step to step.

    Args:
        config: the model's `scheduler_config.json`, which knows the betas and the prediction type.
    """
    check_scheduler(name)
    if name == OWN:
        diffusers = import_module("diffusers.schedulers")
        cls_name = config.get("_class_name", "missing")
        cls = getattr(diffusers, str(cls_name), None)
        if cls is None:
            raise UnknownName("scheduler class", str(cls_name), sorted({r.cls for r in SCHEDULERS.values()}))
        return cls.from_config(dict(config))
    recipe = SCHEDULERS[name]
    cls = getattr(import_module(f"diffusers.schedulers.{recipe.module}"), recipe.cls)
    return cls.from_config(dict(config), **recipe.options)
