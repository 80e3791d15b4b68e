"""Each picture has its own scheduler, without state from other pictures."""

import json
from typing import Any

import pytest
import torch

from limelight.pipeline.errors import RequestError, UnknownName, UsageError
from limelight.pipeline.models.locate import DEFAULT_MODEL
from limelight.pipeline.requests.schedulers import OWN, SCHEDULERS, Schedulers, make_scheduler

CONFIG = json.loads((DEFAULT_MODEL / "scheduler" / "scheduler_config.json").read_text())


def walk(scheduler: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    scheduler.set_timesteps(4)
    x = torch.ones(1, 4, 8, 8) * scheduler.init_noise_sigma
    options = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, timestep)
        x = scheduler.step(0.1 * scaled, timestep, x, **options).prev_sample
    return x


@pytest.mark.parametrize("name", [OWN, *SCHEDULERS])
def test_schedulers_share_no_state(name: str) -> None:
    schedulers = Schedulers(CONFIG)
    fresh = walk(make_scheduler(name, CONFIG))
    assert walk(schedulers.make(name)).equal(fresh)
    assert walk(schedulers.make(name)).equal(fresh)


def test_more_steps_than_it_has_are_refused() -> None:
    schedulers = Schedulers(CONFIG)
    schedulers.check_steps("ddim-trailing", 1000)
    with pytest.raises(RequestError, match="at most 1000"):
        schedulers.check_steps("ddim-trailing", 1001)


SDXL = {
    **{"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000, "prediction_type": "epsilon"},
    **{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1},
    **{"timestep_spacing": "leading", "use_karras_sigmas": False},
}
EDM = {"_class_name": "EDMEulerScheduler", "sigma_data": 0.5, "sigma_min": 0.002, "sigma_max": 80.0}


@pytest.mark.parametrize("label", ["Euler", "Euler a", "Heun", "DPM2", "DPM2 a", "DPM++ 2M", "Euler Karras"])
@pytest.mark.parametrize("num_steps", [1, 4, 20])
def test_automatics_samplers_begin_with_all_noise(label: str, num_steps: int) -> None:
    """AUTOMATIC1111's `get_sigmas` begins at sigma 14.61; SDXL's folder for 20 steps at 11.03."""
    scheduler, timesteps = Schedulers(SDXL).start(label, num_steps, seed=0)
    assert float(scheduler.sigmas[0]) == pytest.approx(14.6146, abs=0.01)
    assert float(timesteps[0]) == pytest.approx(999, abs=0.01)


def test_the_models_own_scheduler_is_as_its_folder_says() -> None:
    scheduler, _ = Schedulers(SDXL).start(OWN, 20, seed=0)
    assert float(scheduler.sigmas[0]) == pytest.approx(11.03, abs=0.01)


def test_a_schedule_of_the_models_own_does_not_reach_plain_ones() -> None:
    _, timesteps = Schedulers(SDXL | {"use_karras_sigmas": True}).start("euler", 3, seed=0)
    assert timesteps.tolist() == [999, 499.5, 0]


@pytest.mark.parametrize("cls", ["DPMSolverSDEScheduler", "LMSDiscreteScheduler"])
def test_a_package_that_is_missing_is_named(cls: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from limelight.pipeline.requests import scheduler_classes

    package = "torchsde" if cls == "DPMSolverSDEScheduler" else "scipy"

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named '{package}'")

    monkeypatch.setattr(scheduler_classes, "import_module", missing)
    with pytest.raises(
        UsageError, match=f"{cls} needs the package {package}, .*pip install {package}, or name"
    ):
        Schedulers({"_class_name": cls}).check_steps(OWN, 4)


def test_beta_sigmas_need_a_package_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.schedulers import scheduling_euler_discrete

    monkeypatch.setattr(scheduling_euler_discrete, "is_scipy_available", lambda: False)
    config = {"_class_name": "EulerDiscreteScheduler", "use_beta_sigmas": True}
    with pytest.raises(UsageError, match="needs the package scipy"):
        Schedulers(config).check_steps(OWN, 4)
    Schedulers(config).check_steps("euler", 4)


@pytest.mark.parametrize(
    "cls", ["FlaxDDIMScheduler", "SchedulerMixin", "deprecate", "FlowMatchEulerDiscreteScheduler"]
)
def test_only_schedulers_that_draw_here_can_be_the_models_own(cls: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown scheduler class '{cls}'"):
        Schedulers({"_class_name": cls}).check_steps(OWN, 4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"_class_name": "DDIMScheduler", "beta_schedule": "laplace"},
            "does not go with DDIMScheduler: laplace",
        ),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"}, "does not go with"),
    ],
)
def test_a_configuration_that_a_class_refuses_is_a_usage_error(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Schedulers(config).check_steps(OWN, 4)


@pytest.mark.parametrize(
    ("name", "cls", "schedule"),
    [
        ("euler", "EDMEulerScheduler", "exponential"),
        ("euler-karras", "EDMEulerScheduler", "karras"),
        ("dpm++2m-sde-karras", "EDMDPMSolverMultistepScheduler", "karras"),
    ],
)
def test_a_model_trained_after_edm_has_edms_schedulers(name: str, cls: str, schedule: str) -> None:
    schedulers = Schedulers(EDM | {"sigma_schedule": "exponential"})
    schedulers.check_steps(name, 4)
    scheduler = schedulers.make(name)
    assert type(scheduler).__name__ == cls
    assert (scheduler.config.sigma_schedule, scheduler.config.sigma_data) == (schedule, 0.5)
    with pytest.raises(UsageError, match="DDIMScheduler is not for a model that was trained after EDM"):
        schedulers.check_steps("ddim", 4)


def test_a_scheduler_that_takes_no_generator_has_the_pictures_seed() -> None:
    class Noisy:
        noise_sampler_seed: int | None = None

    schedulers = Schedulers(SDXL)
    schedulers._unused["euler", False] = Noisy()
    assert [schedulers.make("euler", seed=seed).noise_sampler_seed for seed in (3, 4)] == [3, 4]


def test_an_image_is_refused_by_a_scheduler_that_cannot_begin_from_one() -> None:
    schedulers = Schedulers({"_class_name": "IPNDMScheduler", "num_train_timesteps": 1000})
    schedulers.check_steps(OWN, 4)
    with pytest.raises(
        RequestError, match="an image is given, which the scheduler 'model' cannot begin from"
    ):
        schedulers.check_steps(OWN, 4, strength=0.5)


def test_a_distilled_model_takes_all_steps_within_the_strength() -> None:
    """As `LatentConsistencyModelImg2ImgPipeline` of diffusers calls `set_timesteps`."""
    config = SDXL | {"_class_name": "LCMScheduler", "original_inference_steps": 50}
    schedulers = Schedulers(config)
    _, timesteps = schedulers.start(OWN, 4, seed=0, strength=0.5, is_distilled=True)
    assert timesteps.tolist() == [499, 379, 259, 139]
    assert len(schedulers.start(OWN, 4, seed=0, strength=0.5)[1]) == 2
    with pytest.raises(RequestError, match=r"num_steps is 30 at strength 0.5; .* takes at most 25 then"):
        schedulers.check_steps(OWN, 30, strength=0.5, is_distilled=True)
