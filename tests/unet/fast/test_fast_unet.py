"""The fast U-Net predicts the same as the plain one, with any algorithm for its convolutions."""

import json
from collections.abc import Callable, Mapping

import pytest
import torch

from limelight.attention import AttentionRuntime, plan, timings
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Recording
from limelight.attention.timings import Timings
from limelight.unet import UNet, optimize
from limelight.unet.fast import FastUNet, fast_unet
from tests.unet.conftest import VARIANTS

KEPT = ("tiles of 1", "tiles of 2", "tiles of 4", "halves")
UNCACHED = ("direct", "columns", "tiles of 2, uncached", "tiles of 4, uncached")  # without memory for filters
USUAL = ("sd1", "sdxl", "scale-shift", "tiny-sd", "gelu-and-odd-rest")
GUIDED = ("sd1", "sdxl")  # a graph for other rows takes seconds, and does not depend on the blocks
EXTRAS = Extras(steps=True, values=True, refined=True, points=((0.2, 0.7),))


class Favour(Timings):
    """Takes the favourite, or oneDNN's products, for the fastest wherever it is a candidate."""

    favourite = ""

    def fastest(self, case: str, candidates: Callable[[], Mapping[str, Callable[[], object]]]) -> str:
        names = list(candidates())
        return next((name for name in (self.favourite, "onednn") if name in names), names[0])


@pytest.fixture(params=[*KEPT, *UNCACHED])
def fast(request: pytest.FixtureRequest, saved: Callable, monkeypatch: pytest.MonkeyPatch) -> UNet:
    """An optimized U-Net that uses one of the algorithms wherever it can."""
    monkeypatch.setattr(Favour, "favourite", request.param)
    monkeypatch.setattr(fast_unet, "Timings", Favour)
    memory = 0 if request.param in UNCACHED else fast_unet.EXTRA_MEMORY
    return optimize(UNet.from_pretrained(saved("sd1")), extra_memory=memory)


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return ((one - other).abs().max() / other.abs().max()).item()


@pytest.mark.parametrize(
    "variant", [pytest.param(name, marks=() if name in USUAL else pytest.mark.long) for name in VARIANTS]
)
@torch.inference_mode()
def test_it_predicts_what_the_plain_one_does(variant, saved, inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(Favour, "favourite", "tiles of 4")
    monkeypatch.setattr(fast_unet, "Timings", Favour)
    plain = UNet.from_pretrained(saved(variant))
    fast = optimize(UNet.from_pretrained(saved(variant)), timings_file=tmp_path / "timings.json")
    assert type(fast) is FastUNet
    arguments, _ = inputs(plain.config, batch=4, height=18, width=14)
    # of four requests, and of two with two rows of guidance each
    guided = {name: each if name == "context" else each[[0, 0, 2, 2]] for name, each in arguments.items()}
    for given in (arguments, guided) if variant in GUIDED else (arguments,):
        expected = plain(**given)
        for _ in range(3):  # called, captured, repeated
            assert difference(fast(**given), expected) <= 2e-5


def test_every_algorithm_of_convolution_is_exact_and_follows_weights(fast, saved, inputs):
    plain = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(plain.config)
    with torch.inference_mode():
        expected = plain(**arguments)
        for _ in range(3):  # called, captured, repeated
            before = fast(**arguments)
            assert difference(before, expected) <= 2e-5
    originals = {name: weight.clone() for name, weight in fast.state_dict().items()}
    with torch.no_grad():
        for unet in (plain, fast):
            for weight in unet.parameters():
                weight.mul_(1.1)
    with torch.inference_mode():
        assert difference(fast(**arguments), plain(**arguments)) <= 2e-5
    with torch.no_grad():
        for name, weight in fast.named_parameters():
            weight.copy_(originals[name])
    with torch.inference_mode():
        assert fast(**arguments).equal(before)


@torch.inference_mode()
def test_recording_changes_no_bit_and_equals_that_of_the_plain_one(saved, inputs, tmp_path):
    plain = UNet.from_pretrained(saved("sd1"))
    fast = optimize(UNet.from_pretrained(saved("sd1")), timings_file=tmp_path / "timings.json")
    arguments, _ = inputs(plain.config)
    arguments |= {name: arguments[name][[0, 0]] for name in ("x", "timesteps")}
    num_tokens = arguments["context"].shape[1]
    kinds = {site.name: site.kind for site in plain.sites}
    chosen = plan(plain.attention_specs(16, 16, num_tokens, batch=2), kinds)
    backends = {name: choice.backend for name, choice in chosen.items()}
    heard = []
    for unet in (plain, fast):
        recording = Recording("site", num_tokens, EXTRAS)
        recorder = RowRecorder([None, recording])
        predicted = unet(**arguments, attention=AttentionRuntime(backends, recorder))
        assert predicted.equal(unet(**arguments, attention=AttentionRuntime(backends)))
        recorder.commit()
        heard.append(recording)
    for of_fast, of_plain in zip(
        (heard[1], *heard[1].views.values()), (heard[0], *heard[0].views.values()), strict=True
    ):
        torch.testing.assert_close(of_fast.sums, of_plain.sums, atol=1e-5, rtol=1e-4)


def test_gradients_flow_as_in_the_plain_one(saved, inputs):
    plain, fast = UNet.from_pretrained(saved("sd1")), optimize(UNet.from_pretrained(saved("sd1")))
    arguments, _ = inputs(plain.config)
    for unet in (plain, fast):
        unet(**arguments).square().mean().backward()
    for (name, one), other in zip(fast.named_parameters(), plain.parameters(), strict=True):
        assert one.grad is not None, name
        torch.testing.assert_close(one.grad, other.grad, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("algorithm", [*KEPT, *UNCACHED])
def test_without_extra_memory_no_convolution_keeps_filters(algorithm, saved, inputs, monkeypatch):
    monkeypatch.setattr(Favour, "favourite", algorithm)
    monkeypatch.setattr(fast_unet, "Timings", Favour)
    fast = optimize(UNet.from_pretrained(saved("sd1")), extra_memory=0)
    with torch.inference_mode():
        fast(**inputs(fast.config)[0])
    assert not any(getattr(module, "_kept", None) for module in fast.modules())


@torch.inference_mode()
def test_exact_ignores_timings_files_and_free_memory(saved, inputs, tmp_path, monkeypatch, caplog):
    file = tmp_path / "timings.json"
    unet = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(unet.config)
    optimize(unet, timings_file=file)(**arguments)
    known = json.loads(file.read_text())
    (cases,) = known.values()
    swapped = {case: "columns" if name == "direct" else "direct" for case, name in cases.items()}
    monkeypatch.setattr(timings, "_measure", lambda candidates: pytest.fail("measured"))
    outs = []
    for content, free in ((cases, None), (swapped, 2**20), ({}, 2**29)):
        file.write_text(json.dumps(dict.fromkeys(known, content)))
        fast = optimize(unet, timings_file=file, free_memory=free, exact=True)
        assert type(fast) is FastUNet
        outs.append(fast(**arguments))
    assert outs[0].equal(outs[1]) and outs[0].equal(outs[2])
    assert "memory" not in caplog.text


@pytest.mark.parametrize(("free", "kept"), [(2**29, 2**27), (2**20, 2**18), (None, 2**27)])
def test_filters_take_a_quarter_of_what_is_free(free, kept, saved, caplog):
    fast = optimize(UNet.from_pretrained(saved("sd1")), free_memory=free)
    assert fast.filter_bytes == kept
    said = "1 MiB of memory are free, so convolutions keep 0 MiB of transformed filters, not 128;"
    assert (said in caplog.text) == (kept < 2**27)


@torch.inference_mode()
@pytest.mark.parametrize(("much", "times"), [(1, [1, 1, 0, 0]), (2**24, [0, 0, 0, 0])])
def test_a_large_call_returns_freed_memory_and_its_repetitions_do_not(
    much, times, saved, inputs, monkeypatch
):
    given_back = []
    monkeypatch.setattr(fast_unet, "give_back", lambda: given_back.append(1))
    monkeypatch.setattr(fast_unet, "_MUCH", much)
    fast = optimize(UNet.from_pretrained(saved("sd1")))
    for expected in times:
        given_back.clear()
        fast(**inputs(fast.config)[0])
        assert len(given_back) == expected


@torch.inference_mode()
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_original_stays_as_it_was_and_shares_its_weights(family, saved, inputs, tmp_path):
    plain, untouched = (UNet.from_pretrained(saved(family)) for _ in range(2))
    arguments, _ = inputs(plain.config)
    expected = untouched(**arguments)
    fast = optimize(plain, timings_file=tmp_path / "timings.json")
    fast(**arguments)
    assert plain(**arguments).equal(expected)
    assert list(fast.state_dict()) == list(plain.state_dict())
    mine, others = (list(unet.parameters()) for unet in (fast, plain))
    assert all(one is other for one, other in zip(mine, others, strict=True))
    assert not {id(layer) for layer in fast.modules() if layer._parameters == {} and len(layer._modules)} & {
        id(layer) for layer in plain.modules()
    }


def test_another_dtype_stays_plain(saved):
    unet = UNet.from_pretrained(saved("sd1"), dtype=torch.bfloat16)
    assert optimize(unet) is unet
