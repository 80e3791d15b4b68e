"""The schedulers that a request can name, made from diffusers' classes and a model's own configuration."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

from limelight.pipeline.errors import RequestError, UnknownName
from limelight.pipeline.requests.sampler_names import MAX_NAME, spelling, with_schedule
from limelight.pipeline.requests.schedule import WHOLE, Schedule
from limelight.pipeline.requests.scheduler_classes import build, check_prediction


@dataclass(frozen=True, slots=True)
class Recipe:
    """A diffusers scheduler class and what is changed in the model's configuration for it.

    Attributes:
        label: what AUTOMATIC1111's web UI calls it; empty where it has none.
    """

    cls: str
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""


# From all noise to none, evenly, whatever the model's folder says: AUTOMATIC1111's samplers of these names.
_EVEN = {
    "timestep_spacing": "linspace",
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
}


def _dpm(label: str, **options: Any) -> Recipe:
    return Recipe("DPMSolverMultistepScheduler", _EVEN | options, label)


def _euler(label: str = "", **options: Any) -> Recipe:
    return Recipe("EulerDiscreteScheduler", _EVEN | options, label)


SCHEDULERS: Mapping[str, Recipe] = {
    "ddim": Recipe("DDIMScheduler", label="DDIM"),
    "ddim-trailing": Recipe("DDIMScheduler", {"timestep_spacing": "trailing"}),
    "ddpm": Recipe("DDPMScheduler"),
    "pndm": Recipe("PNDMScheduler", {"skip_prk_steps": True}, "PLMS"),
    "euler": _euler("Euler"),
    "euler-karras": _euler("Euler Karras", use_karras_sigmas=True),
    "euler-trailing": _euler(timestep_spacing="trailing"),  # SDXL-Lightning's, and other few-step models'
    "euler-a": Recipe("EulerAncestralDiscreteScheduler", _EVEN, "Euler a"),
    "heun": Recipe("HeunDiscreteScheduler", _EVEN, "Heun"),
    "dpm2": Recipe("KDPM2DiscreteScheduler", _EVEN, "DPM2"),
    "dpm2-a": Recipe("KDPM2AncestralDiscreteScheduler", _EVEN, "DPM2 a"),
    "dpm++2m": _dpm("DPM++ 2M", algorithm_type="dpmsolver++", use_karras_sigmas=False),
    "dpm++2m-karras": _dpm("DPM++ 2M Karras", algorithm_type="dpmsolver++", use_karras_sigmas=True),
    "dpm++2m-sde": _dpm("DPM++ 2M SDE", algorithm_type="sde-dpmsolver++", use_karras_sigmas=False),
    "dpm++2m-sde-karras": _dpm(
        "DPM++ 2M SDE Karras", algorithm_type="sde-dpmsolver++", use_karras_sigmas=True
    ),
    "dpm++2s": Recipe("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    "deis": Recipe("DEISMultistepScheduler"),
    "unipc": Recipe("UniPCMultistepScheduler", label="UniPC"),
    "lcm": Recipe("LCMScheduler", label="LCM"),
    "tcd": Recipe("TCDScheduler", label="TCD"),
}
_BY_SPELLING = {spelling(recipe.label or ours): ours for ours, recipe in SCHEDULERS.items()}
_AUTOMATIC = {  # the schedule that AUTOMATIC1111's web UI chooses for "Automatic"; for others, the plain one
    "DPM++ 2M": "Karras",
    "DPM++ 2M SDE": "Exponential",
    "DPM2": "Karras",
    "DPM2 a": "Karras",
}
OWN = "model"  # the scheduler that the model's folder names, unchanged


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


def make_scheduler(name: str, config: Mapping[str, Any], *, num_steps: int | None = None) -> Any:
    """A fresh diffusers scheduler, for one picture: schedulers carry state from step to step.

    Args:
        config: the model's `scheduler_config.json`, which knows the betas and the prediction type.
        num_steps: that it will be set to; AUTOMATIC1111's schedules begin with all noise for one step too.

    Raises:
        UnknownName: there is no such scheduler.
        UsageError: it cannot draw with this model, or needs a package that is missing.
    """
    name = scheduler_name(name)
    if name == OWN:
        return build(str(config.get("_class_name", "missing")), config)
    options = dict(SCHEDULERS[name].options)
    if num_steps == 1 and options.get("timestep_spacing") == "linspace":
        options["timestep_spacing"] = "trailing"
    return build(SCHEDULERS[name].cls, config, options)


class Schedulers:
    """A model's schedulers. One of each kind is made when it is first needed, and copied: a copy takes
    0.1 to 0.3 ms, making one 0.2 to 80 (dpm2).

    Args:
        config: as in `make_scheduler`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self._unused: dict[tuple[str, bool], Any] = {}
        self._checked: set[tuple[str, int, float | None, Schedule, bool]] = set()

    def make(self, name: str, *, num_steps: int | None = None, seed: int | None = None) -> Any:
        """A fresh one, for one picture.

        Args:
            num_steps: as in `make_scheduler`.
            seed: for a scheduler that draws noise and takes no generator.
        """
        scheduler = deepcopy(self._one(name, num_steps))
        if hasattr(scheduler, "noise_sampler_seed"):
            scheduler.noise_sampler_seed = seed
        return scheduler

    def start(
        self,
        name: str,
        num_steps: int,
        *,
        seed: int,
        strength: float | None = None,
        schedule: Schedule = WHOLE,
        is_distilled: bool = False,
        device: Any = None,
    ) -> tuple[Any, Any]:
        """A fresh scheduler, set to the last `strength` of `num_steps` (None for all), and its timesteps.

        Args:
            schedule: in place of the scheduler's own.
            is_distilled: the U-Net takes the guidance scale as an input, as consistency models do: LCM's
                scheduler then takes all steps, within the last part of those that it was distilled on.

        Raises:
            RequestError: the scheduler cannot begin from an image, or cannot take the schedule or the number
                of steps.
        """
        scheduler = self.make(name, num_steps=num_steps, seed=seed)
        if strength is not None and not hasattr(scheduler, "add_noise"):
            raise RequestError(
                f"an image is given, which the scheduler {name!r} cannot begin from; name another scheduler"
            )
        steps = schedule.steps(scheduler, name, num_steps)
        if strength and is_distilled and "strength" in signature(scheduler.set_timesteps).parameters:
            try:
                scheduler.set_timesteps(**steps, device=device, strength=strength)
            except ValueError:
                limit = int(scheduler.config["original_inference_steps"] * strength)
                raise RequestError(
                    f"num_steps is {num_steps} at strength {strength:g}; the scheduler {name!r} takes at "
                    f"most {limit} then"
                ) from None
            return scheduler, scheduler.timesteps
        scheduler.set_timesteps(**steps, device=device)
        skipped = 0 if strength is None else (num_steps - int(num_steps * strength)) * scheduler.order
        begin, end = schedule.part(scheduler, skipped)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(begin)
        return scheduler, scheduler.timesteps[begin:end]

    def takes(self, name: str, option: str) -> bool:
        """Whether the step of a scheduler has an option of that name."""
        return option in signature(self._one(name, None).step).parameters

    def check_steps(
        self,
        name: str,
        num_steps: int,
        *,
        strength: float | None = None,
        schedule: Schedule = WHOLE,
        is_distilled: bool = False,
    ) -> None:
        """Raises RequestError if the scheduler cannot take `num_steps` steps, with the limit if there is
        one, and UsageError if it cannot be made; arguments as `start` takes them."""
        key = name, num_steps, strength, schedule, is_distilled
        if key in self._checked:
            return
        scheduler = self._one(name, num_steps)
        limit = _most_steps(scheduler)
        if limit is not None and num_steps > limit:
            raise RequestError(
                f"num_steps is {num_steps}; the scheduler {name!r} takes at most {limit} with this model"
            )
        asked = f"num_steps is {num_steps}" + schedule.name
        try:
            trial, timesteps = self.start(
                name, num_steps, seed=0, strength=strength, schedule=schedule, is_distilled=is_distilled
            )
        except RequestError:
            raise
        except (ValueError, IndexError, ArithmeticError, RuntimeError) as error:
            raise RequestError(
                f"{asked}; the scheduler {name!r} cannot take them with this model: {str(error)[:300]}"
            ) from None
        if not len(timesteps) and strength != 0:
            raise RequestError(f"{asked}; none is left between denoising_start and denoising_end")
        if not (trial.timesteps.isfinite().all() and trial.init_noise_sigma < float("inf")):
            raise RequestError(
                f"{asked}; the scheduler {name!r} has no finite timesteps for so few with this model: take "
                "more"
            )
        check_prediction(trial, name)
        self._checked.add(key)

    def _one(self, name: str, num_steps: int | None) -> Any:
        key = name, num_steps == 1
        if key not in self._unused:
            self._unused[key] = make_scheduler(name, self.config, num_steps=num_steps)
        return self._unused[key]


def _most_steps(scheduler: Any) -> int | None:
    """The limit of `num_steps`; None where a scheduler's noise levels do not come from timesteps."""
    facts = scheduler.config
    if not hasattr(scheduler, "alphas_cumprod"):
        return None
    limit = facts.get("original_inference_steps")  # what LCM and TCD choose their timesteps from
    if limit is not None:
        return int(limit)
    is_leading = facts.get("timestep_spacing", "leading") == "leading"
    return int(facts["num_train_timesteps"] - is_leading * facts.get("steps_offset", 0))
