"""Prompt-to-prompt with its equations written out on diffusers' U-Net, against rows that borrow attention."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from limelight.attention import AttentionRuntime, RowGroup, get
from limelight.attention.steering import Lend, Steering
from limelight.unet import UNet
from limelight.unet.fast.fast_unet import optimize

SIZE = (10, 16)  # of the latent, height and width
TOKENS = {"base": 77, "edit": 154}  # the edit has a chunk more
BACKENDS = ["math", "sdpa", "onednn", "tiled"]
BASE, EDIT = 1, 3  # of the rows negative, base, negative, edit


def token_map() -> Tensor:
    """Base tokens to edit tokens: most to themselves, token 3 to a block of two, token 9 to nothing."""
    found = torch.zeros(TOKENS["base"], TOKENS["edit"])
    found[torch.arange(77), torch.arange(77)] = 1
    found[3] = 0
    found[3, 3:5] = 0.5
    found[9] = 0
    return found


SHARE = (token_map().sum(0) > 0).float()  # of each token of the edit, how much comes from the base
SCALE = torch.ones(TOKENS["edit"])
SCALE[5] = 3.0


class PromptToPrompt:
    """A processor of diffusers' that writes all probabilities out.

    Source: Hertz et al. 2022, arXiv:2208.01626, section 3: word swap, prompt refinement, re-weighting.
    """

    def __init__(self, kind: str, contexts: list[Tensor], keeps_self: bool) -> None:
        self.kind, self.contexts, self.keeps_self = kind, contexts, keeps_self

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **unused: Any
    ) -> Tensor:
        is_cross = encoder_hidden_states is not None
        contexts = self.contexts if is_cross else list(hidden_states)
        found, values = [], []
        for x, context in zip(hidden_states, contexts, strict=True):
            q, k, v = (
                y.unflatten(-1, (attn.heads, -1)).transpose(0, 1)
                for y in (attn.to_q(x), attn.to_k(context), attn.to_v(context))
            )
            found.append((q @ k.mT * attn.scale).softmax(-1))
            values.append(v)
        if is_cross and self.kind == "replace":
            found[EDIT] = found[BASE] @ token_map()
        elif is_cross and self.kind == "refine":
            found[EDIT] = found[BASE] @ token_map() * SHARE + found[EDIT] * (1 - SHARE)
        elif is_cross and self.kind == "reweight":
            found[EDIT] = found[BASE] @ token_map() * SCALE
        elif not is_cross and self.keeps_self:
            found[EDIT] = found[BASE]
        outs = [(p @ v).transpose(0, 1).flatten(1) for p, v in zip(found, values, strict=True)]
        return attn.to_out[0](torch.stack(outs))


def steering_of(kind: str, sites: frozenset[str]) -> Steering:
    steered = {
        "replace": (Lend(row=-2, values=token_map(), sites=sites), None),
        "refine": (Lend(row=-2, values=token_map() * SHARE, keeps_own=True, sites=sites), 1 - SHARE),
        "reweight": (Lend(row=-2, values=token_map() * SCALE, sites=sites), None),
        "self alone": (Lend(row=-2, sites=sites), None),
    }
    lend, tokens = steered[kind]
    return Steering(lend=lend, tokens=tokens)


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["replace", "refine", "reweight", "self alone"])
@pytest.mark.parametrize("variant", ["sd1", "sdxl"])
def test_an_edit_is_that_of_written_out_probabilities(
    variant: str, kind: str, saved: Callable[[str], Path], inputs: Callable[..., Any], tmp_path: Path
) -> None:
    folder = saved(variant)
    unet = UNet.from_pretrained(folder)
    arguments, their_arguments = inputs(unet.config, batch=4, height=SIZE[0], width=SIZE[1])
    for given in (arguments, their_arguments):  # base and edit begin from one latent each, as in an edit
        name = "x" if "x" in given else "sample"
        given[name] = given[name][[0, 0, 1, 1]]
    random = torch.Generator().manual_seed(2)
    lengths = [TOKENS["base"], TOKENS["base"], TOKENS["edit"], TOKENS["edit"]]
    contexts = [torch.randn(m, unet.config.context_dim, generator=random) for m in lengths]
    with torch.inference_mode():
        made = [unet.keys_values(torch.stack(contexts[i : i + 2])) for i in (0, 2)]
    groups = tuple(
        RowGroup(lambda site, each=each: each[site], torch.tensor(rows))  # type: ignore[misc]
        for each, rows in zip(made, ([0, 1], [2, 3]), strict=True)
    )
    theirs = UNet2DConditionModel.from_pretrained(folder)
    theirs.set_attn_processor(PromptToPrompt(kind, contexts, keeps_self=True))
    their_arguments["encoder_hidden_states"] = torch.zeros(4, 77, unet.config.context_dim)
    expected = theirs(**their_arguments).sample
    own = frozenset(site.name for site in unet.sites if site.kind == "self")
    steering = [None, None, None, steering_of(kind, own)]
    fast = optimize(unet, timings_file=tmp_path / "timings.json")
    arguments["context"] = None
    for model, backend in [*((unet, backend) for backend in BACKENDS), *[(fast, "sdpa")] * 3]:
        plan = {site.name: get(backend) for site in unet.sites}
        ours = model(**arguments, attention=AttentionRuntime(plan, context=groups, steering=steering))
        assert (ours - expected).abs().max() <= 1e-5 * max(1, expected.abs().max()), backend


@torch.inference_mode()
def test_an_edit_to_the_same_prompt_is_the_base_bit_for_bit(
    saved: Callable[[str], Path], inputs: Callable[..., Any]
) -> None:
    unet = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(unet.config, batch=2, height=SIZE[0], width=SIZE[1])
    arguments = {name: value[:1].repeat(2, *[1] * (value.ndim - 1)) for name, value in arguments.items()}
    own = frozenset(site.name for site in unet.sites if site.kind == "self")
    lend = Lend(row=-1, values=torch.eye(arguments["context"].shape[1]), sites=own)
    plan = {site.name: get("sdpa") for site in unet.sites}
    out = unet(**arguments, attention=AttentionRuntime(plan, steering=[None, Steering(lend=lend)]))
    assert torch.equal(out[0], out[1])
