"""Steered predictions against diffusers' U-Net with processors that write the probabilities out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from limelight.attention import AttentionRuntime, get
from limelight.attention.steering import Bias, KeyGroup, Steering
from limelight.unet import UNet
from limelight.unet.fast.fast_unet import optimize

SIZE = (10, 16)  # of the latent, height and width
TOKENS = 154  # two chunks
BACKENDS = ["math", "sdpa", "onednn", "tiled"]


@dataclass
class Explicit:
    """A processor of diffusers. What it does to each row is given as explicit matrices.

    Attributes:
        bias: row -> n -> numbers added to the scores, n m.
        weights: row -> n -> the weight of its own output, n.
        others: row -> another context, m c; its output has the rest of the weight.
        heads: row -> scale of each head.
    """

    bias: dict[int, Callable[[int], Tensor]] = field(default_factory=dict)
    weights: dict[int, Callable[[int], Tensor]] = field(default_factory=dict)
    others: dict[int, Tensor] = field(default_factory=dict)
    heads: dict[int, Tensor] = field(default_factory=dict)

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **unused: Any
    ) -> Tensor:
        is_cross = encoder_hidden_states is not None
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        rows = [
            self.row(attn, row, x[None], own[None], is_cross)
            for row, (x, own) in enumerate(zip(hidden_states, context, strict=True))
        ]
        return attn.to_out[0](torch.cat(rows))

    def row(self, attn: Any, row: int, x: Tensor, context: Tensor, is_cross: bool) -> Tensor:
        n = x.shape[1]
        bias = self.bias[row](n) if is_cross and row in self.bias else None
        out = self.attend(attn, x, context, bias)
        if is_cross and row in self.others:
            weight = self.weights[row](n)[:, None]
            out = weight * out + (1 - weight) * self.attend(attn, x, self.others[row][None], None)
        if row in self.heads:
            out = out * self.heads[row][:, None, None]
        return out.transpose(1, 2).flatten(2)

    def attend(self, attn: Any, x: Tensor, context: Tensor, bias: Tensor | None) -> Tensor:
        q, k, v = (
            y.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for y in (attn.to_q(x), attn.to_k(context), attn.to_v(context))
        )
        scores = q @ k.mT * attn.scale
        return (scores if bias is None else scores + bias).softmax(-1) @ v


def grid_of(n: int) -> tuple[int, int]:
    for factor in (1, 2, 4):
        height, width = (-(-side // factor) for side in SIZE)
        if height * width == n:
            return height, width
    raise AssertionError(n)


def left(grid: tuple[int, int]) -> Tensor:
    """1 in the left third, between 0 and 1 where a position lies in both."""
    height, width = grid
    return (width / 3 - torch.arange(width)).clamp(0, 1).expand(height, width).flatten()


def upper(grid: tuple[int, int]) -> Tensor:
    height, width = grid
    return torch.linspace(1, -1, height)[:, None].expand(height, width).flatten()


def paint(grid: tuple[int, int]) -> Tensor:
    return torch.stack((2 * left(grid) - 1, upper(grid)), -1)


def own_weight(grid: tuple[int, int]) -> Tensor:
    return 1 - 0.8 * left(grid)


STRENGTH = torch.zeros(TOKENS, 2)
STRENGTH[[3, 4, 90], 0], STRENGTH[100, 1] = log(20), log(5)  # of both chunks

Case = Callable[[UNet, Tensor], tuple[Steering, dict[str, Any]]]


def painted(unet: UNet, other: Tensor) -> tuple[Steering, dict[str, Any]]:
    steering = Steering(bias=Bias(paint, STRENGTH))
    return steering, {"bias": lambda n: paint(grid_of(n)) @ STRENGTH.mT}


def regions(unet: UNet, other: Tensor) -> tuple[Steering, dict[str, Any]]:
    made = unet.keys_values(other[None])
    group = KeyGroup(lambda site: made[site], lambda grid: 1 - own_weight(grid))
    steering = Steering(weight=own_weight, groups=(group,))
    return steering, {"weights": lambda n: own_weight(grid_of(n)), "others": other}


def without_heads(unet: UNet, other: Tensor) -> tuple[Steering, dict[str, Any]]:
    scales = {site.name: torch.arange(site.num_heads) / 2 for site in unet.sites}
    return Steering(heads=scales), {"heads": scales}


CASES: dict[str, Case] = {"paint": painted, "regions": regions, "heads": without_heads}


@pytest.fixture(params=["sd1", "sdxl"])
def folder(request: pytest.FixtureRequest, saved: Callable[[str], Path]) -> Path:
    return saved(request.param)


@torch.inference_mode()
@pytest.mark.parametrize("case", CASES)
def test_a_steered_prediction_is_that_of_written_out_probabilities(
    folder: Path, case: str, inputs: Callable[..., Any], tmp_path: Path
) -> None:
    """The second of three rows is steered; the first and the third are its unsteered neighbours."""
    unet = UNet.from_pretrained(folder)
    arguments, their_arguments = inputs(unet.config, batch=3, height=SIZE[0], width=SIZE[1])
    random = torch.Generator().manual_seed(2)
    context, other = (
        torch.randn(rows, tokens, unet.config.context_dim, generator=random)
        for rows, tokens in ((3, TOKENS), (1, 77))
    )
    arguments["context"] = their_arguments["encoder_hidden_states"] = context
    steering, matrices = CASES[case](unet, other[0])
    theirs = UNet2DConditionModel.from_pretrained(folder)
    plain = theirs(**their_arguments).sample
    theirs.set_attn_processor(
        {
            name: Explicit(**{kind: {1: _at(value, name)} for kind, value in matrices.items()})
            for name in theirs.attn_processors
        }
    )
    expected = theirs(**their_arguments).sample
    fast = optimize(unet, timings_file=tmp_path / "timings.json")
    for model, backend in [*((unet, backend) for backend in BACKENDS), (fast, "sdpa")]:
        plan = {site.name: get(backend) for site in unet.sites}
        ours = model(**arguments, attention=AttentionRuntime(plan, steering=[None, steering, None]))
        assert (ours - expected).abs().max() <= 1e-5 * max(1, expected.abs().max()), backend
        assert (ours[::2] - plain[::2]).abs().max() <= 1e-5 * max(1, expected.abs().max()), backend
    assert (plain[1] - expected[1]).abs().max() > 1e-3  # it changes something


def _at(value: Any, processor: str) -> Any:
    """Of what is given site by site, that of one."""
    return value[processor.removesuffix(".processor")] if isinstance(value, dict) else value


@torch.inference_mode()
def test_alike_rows_are_not_shared_where_one_has_its_heads_scaled(
    saved: Callable[[str], Path], inputs: Callable[..., Any], tmp_path: Path
) -> None:
    """A U-Net that computes equal rows once must see that self-attention makes them differ."""
    unet = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(unet.config, batch=1, height=SIZE[0], width=SIZE[1])
    arguments = {name: value.repeat(2, *[1] * (value.ndim - 1)) for name, value in arguments.items()}
    first = next(site for site in unet.sites if site.kind == "self")
    off = Steering(heads={first.name: torch.zeros(first.num_heads)})
    runtime = AttentionRuntime({site.name: get("math") for site in unet.sites}, steering=[None, off])
    expected = unet(**arguments, attention=runtime)
    fast = optimize(unet, timings_file=tmp_path / "timings.json")
    for _ in range(3):  # as it is, captured, repeated
        assert (fast(**arguments, attention=runtime) - expected).abs().max() <= 1e-5
    assert not torch.allclose(expected[0], expected[1], atol=1e-4)
