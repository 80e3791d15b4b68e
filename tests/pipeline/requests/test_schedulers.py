"""Each picture has a scheduler of its own, as if it had been made for it."""

import json
from typing import Any

import pytest
import torch

from limelight.pipeline.errors import RequestError
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
def test_what_one_has_done_is_unknown_to_the_next(name: str) -> None:
    schedulers = Schedulers(CONFIG)
    fresh = walk(make_scheduler(name, CONFIG))
    assert walk(schedulers.make(name)).equal(fresh)
    assert walk(schedulers.make(name)).equal(fresh)


def test_more_steps_than_it_has_are_refused() -> None:
    schedulers = Schedulers(CONFIG)
    schedulers.check_steps("ddim-trailing", 1000)
    with pytest.raises(RequestError, match="at most 1000"):
        schedulers.check_steps("ddim-trailing", 1001)
