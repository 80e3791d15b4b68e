"""The schedulers that a request can name, made from diffusers' classes and a model's own configuration."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from limelight.pipeline.errors import RequestError, UnknownName
from limelight.pipeline.requests.sampler_names import MAX_NAME, spelling, with_schedule


@dataclass(frozen=True, slots=True)
class Recipe:
    """A diffusers scheduler class and what is changed in the model's configuration for it.

    Attributes:
        label: what AUTOMATIC1111's web UI calls it; empty where it has none.
    """

    module: str
    cls: str
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""


def _dpm(label: str, **options: Any) -> Recipe:
    return Recipe("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler", options, label)


def _euler(label: str = "", **options: Any) -> Recipe:
    return Recipe("scheduling_euler_discrete", "EulerDiscreteScheduler", options, label)


SCHEDULERS: Mapping[str, Recipe] = {
    "ddim": Recipe("scheduling_ddim", "DDIMScheduler", label="DDIM"),
    "ddim-trailing": Recipe("scheduling_ddim", "DDIMScheduler", {"timestep_spacing": "trailing"}),
    "ddpm": Recipe("scheduling_ddpm", "DDPMScheduler"),
    "pndm": Recipe("scheduling_pndm", "PNDMScheduler", {"skip_prk_steps": True}, "PLMS"),
    "euler": _euler("Euler"),
    "euler-karras": _euler("Euler Karras", use_karras_sigmas=True),
    "euler-trailing": _euler(
        timestep_spacing="trailing"
    ),  # SDXL-Lightning's, and that of other few-step models
    "euler-a": Recipe(
        "scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler", label="Euler a"
    ),
    "heun": Recipe("scheduling_heun_discrete", "HeunDiscreteScheduler", label="Heun"),
    "dpm2": Recipe("scheduling_k_dpm_2_discrete", "KDPM2DiscreteScheduler", label="DPM2"),
    "dpm2-a": Recipe(
        "scheduling_k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler", label="DPM2 a"
    ),
    "dpm++2m": _dpm("DPM++ 2M", algorithm_type="dpmsolver++", use_karras_sigmas=False),
    "dpm++2m-karras": _dpm("DPM++ 2M Karras", algorithm_type="dpmsolver++", use_karras_sigmas=True),
    "dpm++2m-sde": _dpm("DPM++ 2M SDE", algorithm_type="sde-dpmsolver++", use_karras_sigmas=False),
    "dpm++2m-sde-karras": _dpm(
        "DPM++ 2M SDE Karras", algorithm_type="sde-dpmsolver++", use_karras_sigmas=True
    ),
    "dpm++2s": Recipe(
        "scheduling_dpmsolver_singlestep", "DPMSolverSinglestepScheduler", {"lower_order_final": True}
    ),
    "deis": Recipe("scheduling_deis_multistep", "DEISMultistepScheduler"),
    "unipc": Recipe("scheduling_unipc_multistep", "UniPCMultistepScheduler", label="UniPC"),
    "lcm": Recipe("scheduling_lcm", "LCMScheduler", label="LCM"),
    "tcd": Recipe("scheduling_tcd", "TCDScheduler", label="TCD"),
}
_BY_SPELLING = {spelling(recipe.label or ours): ours for ours, recipe in SCHEDULERS.items()}
_AUTOMATIC = {  # the schedule that AUTOMATIC1111's web UI chooses where it is not plain
    "DPM++ 2M": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
}
OWN = "model"  # the scheduler that the model's folder names, as it stands there


def scheduler_name(name: str) -> str:
    """Our name of a scheduler, from that or from another program's ("DPM++ 2M Karras", "dpmpp_2m").

    Raises:
        UnknownName: it is neither; the message has the valid names.
    """
    name = str(name)
    if name == OWN or name in SCHEDULERS:
        return name
    found = _BY_SPELLING.get(spelling(name))
    if found is None:
        raise UnknownName("scheduler", name[:MAX_NAME], [OWN, *SCHEDULERS])
    return found


def scheduler_label(name: str) -> str:
    """AUTOMATIC1111's label of a scheduler, or our name where it has none."""
    return (SCHEDULERS[name].label if name in SCHEDULERS else "") or name


def scheduler_for_label(label: str, schedule: str = "") -> str | None:
    """Our name of what another program calls `label`, or None where there is no such scheduler here.

    Args:
        schedule: of the noise (AUTOMATIC1111's "Schedule type"), where it is not in the label.
    """
    if schedule.lower() == "automatic":
        schedule = _AUTOMATIC.get(label, "")
    return _BY_SPELLING.get(with_schedule(label, schedule))


def make_scheduler(name: str, config: Mapping[str, Any]) -> Any:
    """A fresh diffusers scheduler, for one picture: schedulers carry state from step to step.

    Args:
        config: the model's `scheduler_config.json`, which knows the betas and the prediction type.
    """
    name = scheduler_name(name)
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


class Schedulers:
    """A model's schedulers. One of each kind is made, when it is first asked for, and copied: a copy takes
    0.1 to 0.3 ms, making one 0.2 to 80 (dpm2).

    Args:
        config: as in `make_scheduler`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self._unused: dict[str, Any] = {}

    def make(self, name: str) -> Any:
        """A fresh one, for one picture."""
        return deepcopy(self._one(name))

    def check_steps(self, name: str, num_steps: int) -> None:
        """Raises RequestError, with the limit, if the scheduler has fewer timesteps than are asked for."""
        facts = self._one(name).config
        limit = facts.get("original_inference_steps")  # what LCM and TCD choose their timesteps from
        if limit is None:
            is_leading = facts.get("timestep_spacing", "leading") == "leading"
            limit = facts["num_train_timesteps"] - is_leading * facts.get("steps_offset", 0)
        if num_steps > limit:
            raise RequestError(
                f"num_steps is {num_steps}; the scheduler {name!r} takes at most {limit} with this model"
            )

    def _one(self, name: str) -> Any:
        if name not in self._unused:
            self._unused[name] = make_scheduler(name, self.config)
        return self._unused[name]
