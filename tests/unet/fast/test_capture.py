"""A captured call returns what the call returns, bit for bit, and nothing outdated."""

import copy
import pickle
from dataclasses import dataclass
from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime, RowGroup, get
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Recording
from limelight.unet import DeepFeature, UNet, optimize
from limelight.unet.fast import FastUNet
from limelight.unet.fast.capture import CapturedCalls, capture
from limelight.unet.fast.graph import as_one


class Layer(nn.Module):
    """Counts how often its Python code runs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.calls = nn.Linear(4, 4), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        first, second = (self.linear(x) + x).chunk(2, dim=-1)
        out = x.new_zeros(len(x), 2)
        torch.sub(first, second, out=out)
        return out.add_(self.linear.weight[0, :2])


def called(calls: CapturedCalls, model: Layer, x: Tensor) -> Tensor:
    def compute(inputs, attention):
        return (model(inputs["context"]),)  # the name of an input must not pass for a constant's

    with torch.inference_mode():
        return calls.call(model, compute, {"context": x}, None)[0]


@pytest.fixture
def model() -> Layer:
    torch.manual_seed(0)
    return Layer().eval()


def test_python_runs_twice_for_each_shape(model):
    calls = CapturedCalls()
    for rows in (3, 5):
        xs = torch.randn(4, rows, 4)
        model.calls = 0
        outs = [called(calls, model, x) for x in xs]
        assert model.calls == 2
        with torch.inference_mode():
            assert all(out.equal(model(x)) for out, x in zip(outs, xs, strict=True))


def change_in_place(model: Layer) -> None:
    with torch.no_grad():
        model.linear.weight.mul_(2)


def give_other_data(model: Layer) -> None:
    model.linear.weight.data = torch.randn(4, 4)


def replace_parameter(model: Layer) -> None:
    model.linear.bias = nn.Parameter(torch.randn(4))


def replace_module(model: Layer) -> None:
    model.linear = nn.Linear(4, 4)


def add_hook(model: Layer) -> None:
    model.linear.register_forward_hook(lambda module, args, out: out * 3)


@pytest.mark.parametrize(
    "change", [change_in_place, give_other_data, replace_parameter, replace_module, add_hook]
)
def test_a_changed_model_is_captured_again(model, change):
    calls = CapturedCalls()
    x = torch.randn(3, 4)
    before = [called(calls, model, x) for _ in range(3)][-1]
    change(model)
    for _ in range(4):
        out = called(calls, model, x)
        with torch.inference_mode():
            assert out.equal(model(x))
        assert not out.equal(before)


def test_data_dependent_calls_are_not_captured(model):
    def compute(inputs, attention):
        x = inputs["x"]
        return (x * 2 if x.sum() > 0 else x * 3,)

    calls = CapturedCalls()
    with torch.inference_mode():
        for sign in (1, 1, -1, 1, -1):
            x = sign * torch.ones(2, 4)
            (out,), (expected,) = calls.call(model, compute, {"x": x}, None), compute({"x": x}, None)
            assert out.equal(expected)


def test_a_function_registered_as_one_operation_is_called_whole():
    seen = []

    def scaled(x: Tensor, factor: float, weight: Tensor | None) -> Tensor:
        seen.append(type(x))
        return x * factor if weight is None else x * factor + weight

    def compute(inputs, attention):
        return (as_one(scaled, inputs["x"] + 1, 2.5, None), as_one(scaled, inputs["x"], 3.0, torch.ones(4)))

    with torch.inference_mode():
        _, repeat = capture(compute, {"x": torch.randn(3, 4)}, None)
        x = torch.randn(3, 4)
        for found, expected in zip(repeat({"x": x}, None), compute({"x": x}, None), strict=True):
            assert found.equal(expected)
    assert len(seen) == 6


def test_unread_results_among_several_are_allowed():
    def compute(inputs, attention):
        largest, _ = inputs["x"].max(dim=1)
        return largest, inputs["x"] + 1

    with torch.inference_mode():
        _, repeat = capture(compute, {"x": torch.randn(3, 4)}, None)
        x = torch.randn(3, 4)
        assert repeat is not compute
        for out, expected in zip(repeat({"x": x}, None), compute({"x": x}, None), strict=True):
            assert out.equal(expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid(AttentionRuntime):
    """A runtime whose results have one of two memory layouts."""

    heads_first: bool

    def attend_self(self, site: str, x: Tensor) -> Tensor:
        out = x * 2
        return out.contiguous() if self.heads_first else out.transpose(1, 2).contiguous().transpose(1, 2)


@pytest.mark.parametrize("first", [False, True])
def test_attention_may_lay_out_its_results_in_another_order_in_each_call(first):
    def compute(inputs, attention):
        y = attention.attend_self("site", inputs["x"]) * 5  # lies as what it reads
        return y.transpose(1, 2)[:, 1:].permute(2, 0, 1, 3) * 3, y.unflatten(3, (2, 2)).transpose(3, 4) + 1

    with torch.inference_mode():
        _, repeat = capture(compute, {"x": torch.randn(2, 3, 5, 4)}, Laid({}, heads_first=first))
        for heads_first in (True, False, True):
            x = torch.randn(2, 3, 5, 4)
            found, expected = (run({"x": x}, Laid({}, heads_first=heads_first)) for run in (repeat, compute))
            assert all(map(torch.equal, found, expected))


def test_tensors_are_freed_after_their_last_use():
    def compute(inputs, attention):
        x = inputs["x"]
        for _ in range(50):
            scratch = torch.empty_like(x)
            torch.add(x, 1, out=scratch)  # its result is not read
            x = x + scratch
        return (x,)

    x = torch.zeros(2**18)
    with torch.inference_mode():
        _, repeat = capture(compute, {"x": x}, None)
        with torch.profiler.profile(profile_memory=True) as profile:
            repeat({"x": x}, None)
    events = sorted(profile.events(), key=lambda event: event.time_range.start)
    sizes = [event.self_cpu_memory_usage for event in events]
    assert sum(map(abs, sizes)) >= 100 * x.nbytes and max(accumulate(sizes)) <= 4 * x.nbytes


def test_a_copy_lists_its_own_calls(model):
    calls = CapturedCalls()
    for _ in range(3):
        called(calls, model, torch.randn(3, 4))
    for other in (copy.deepcopy(calls), pickle.loads(pickle.dumps(calls))):
        assert not other._known


@torch.inference_mode()
@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("ahead", [False, True])
def test_a_unet_repeats_calls_with_other_prompts_backends_and_recorders(alike, ahead, saved, inputs):
    fast = optimize(UNet.from_pretrained(saved("sd1")))
    assert isinstance(fast, FastUNet)
    calls = fast.calls
    given, _ = inputs(fast.config)
    for backend in ("sdpa", "sdpa", "math", "tiled"):
        arguments = {name: x * torch.rand(()) for name, x in given.items()}
        if alike:
            arguments |= {name: arguments[name][[0, 0]] for name in ("x", "timesteps")}
        context = arguments["context"]
        made = {site: (k, v) for site, (k, v) in fast.keys_values(context).items()}
        groups = (RowGroup(made.__getitem__),) if ahead else None
        found = []
        for each in (CapturedCalls(), calls):  # the first has met nothing
            fast.calls = each
            recording = Recording("site", context.shape[1], Extras(values=True, refined=True))
            recorder = RowRecorder([None, recording])
            backends = dict.fromkeys((site.name for site in fast.sites), get(backend))
            predicted = fast(**arguments, attention=AttentionRuntime(backends, recorder, groups))
            recorder.commit()
            found.append((predicted, recording.sums))
        (called, called_sums), (repeated, repeated_sums) = found
        assert called.equal(repeated)
        torch.testing.assert_close(called_sums, repeated_sums, atol=0, rtol=0)
    assert len(calls._known) == 1 and all(calls._known.values())


@torch.inference_mode()
def test_a_deep_feature_is_stored_and_taken_in_captured_calls_too(saved, inputs):
    fast = optimize(UNet.from_pretrained(saved("sd1")))
    assert isinstance(fast, FastUNet)
    arguments, _ = inputs(fast.config)
    calls, found = fast.calls, []
    for number in range(4):
        x = arguments["x"] * number
        for fast.calls in (CapturedCalls(), calls):  # the first has met nothing
            deep = DeepFeature()
            whole = fast(**arguments | {"x": x}, deep=deep)
            between = fast(**arguments | {"x": x + 1}, deep=deep)
            assert deep.kept is not None
            found.append((whole, between, deep.kept))
        for called, repeated in zip(*found[-2:], strict=True):
            assert called.equal(repeated)
    assert len(calls._known) == 2 and all(calls._known.values())
