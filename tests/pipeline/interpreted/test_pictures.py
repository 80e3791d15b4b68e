"""Pictures whose cross-attention is the kernel's."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from limelight.attention import Backend
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.models.model import Model
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.engine import Engine, Plan


class OnKernel(Engine):
    """An engine that takes a backend at every cross-attention site, wherever that backend can run."""

    def __init__(self, model: Model, backend: Backend) -> None:
        super().__init__(model)
        self.backend = backend

    def plan_of(self, height: int, width: int) -> Plan:
        plan = super().plan_of(height, width)
        cross = {site.name for site in self.model.unet.sites if site.kind == "cross"}
        return {
            s: replace(choice, backend=self.backend) if s in cross else choice for s, choice in plan.items()
        }


def drawn(engine: Engine, requests: Sequence[GenerationRequest]) -> list[Result]:
    found = {step.id: step.result for step in engine.run(requests) if step.result is not None}
    return [found[i] for i in range(len(requests))]


def ask(prompt: str = "a red apple", **fields: object) -> GenerationRequest:
    return GenerationRequest(
        **({"prompt": prompt, "seed": 3, "num_steps": 1, "width": 32, "height": 32} | fields)
    )


@pytest.fixture(scope="module")
def model(device: str) -> Model:
    return TextToImagePipeline.from_pretrained("default", device=device, dtype="float32").model


def test_recording_changes_no_bit_of_a_picture(model: Model, backend: Backend) -> None:
    engine = OnKernel(model, backend)
    (plain,), (at_site,) = (drawn(engine, [ask(guidance_scale=1.0, record=r)]) for r in (False, "site"))
    assert plain.image.tobytes() == at_site.image.tobytes()


def test_unequal_prompts_are_drawn_and_recorded_as_usual(model: Model, backend: Backend) -> None:
    asked = [ask(record="grid", guidance_scale=1.0), ask("a red BREAK a blue", seed=4, record="site")]
    for one, other in zip(drawn(OnKernel(model, backend), asked), drawn(Engine(model), asked), strict=True):
        assert np.abs(np.asarray(one.image, dtype=int) - np.asarray(other.image, dtype=int)).max() <= 1
        assert one.maps is not None
        assert other.maps is not None
        maps, usual = one.maps.recording, other.maps.recording
        torch.testing.assert_close(maps.totals, usual.totals, atol=1e-5, rtol=0)
        torch.testing.assert_close(maps.sums, usual.sums, atol=1e-5, rtol=0)
