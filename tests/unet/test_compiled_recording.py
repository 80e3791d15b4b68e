"""A compiled U-Net is recorded as an eager one is, in the graph of the first steps."""

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from limelight.attention import AttentionRuntime, plan
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Recording
from limelight.unet import UNet

pytestmark = pytest.mark.compile

CASES = {
    "grid": ("grid", Extras()),
    "all": ("head", Extras(steps=True, values=True, refined=True, points=((0.2, 0.7),), queries=(1,))),
}


@pytest.mark.parametrize("case", ["grid", pytest.param("all", marks=pytest.mark.slow)])
def test_recording_compiles_nothing_after_the_first_two_steps(case, saved, inputs, request):
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    torch._dynamo.reset()
    unet = UNet.from_pretrained(saved("small-sd"))
    arguments, _ = inputs(unet.config)
    num_tokens = arguments["context"].shape[1]
    kinds = {site.name: site.kind for site in unet.sites}
    chosen = plan(unet.attention_specs(16, 16, num_tokens, batch=2), kinds, None)
    backends = {name: choice.backend for name, choice in chosen.items()}
    counter = CompileCounterWithBackend("eager")
    compiled = torch.compile(unet, backend=counter, fullgraph=True)
    level, extras = CASES[case]
    of_compiled, of_eager = (Recording(level, num_tokens, extras) for _ in range(2))
    for step in range(4):
        now = arguments | {"timesteps": arguments["timesteps"] - step}
        for run, recording in ((compiled, of_compiled), (unet, of_eager)):
            recorder = RowRecorder([None, recording])
            with torch.inference_mode():
                run(**now, attention=AttentionRuntime(backends, recorder))
            recorder.commit()
    # A step whose queries are kept is another graph: the second step makes it, and no later one another.
    assert counter.frame_count == 1 + bool(extras.queries)
    assert_equal(of_compiled, of_eager)


def assert_equal(one: Recording, other: Recording) -> None:
    assert len(one.steps) == 4
    for step, expected in zip(one.steps, other.steps, strict=True):
        torch.testing.assert_close(step, expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(one.sums, other.sums, atol=1e-5, rtol=1e-5)
    assert one.views.keys() == other.views.keys()
    for name, view in one.views.items():
        assert_equal(view, other.views[name])
