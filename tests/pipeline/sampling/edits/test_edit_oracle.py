"""Whole edits against prompt-to-prompt with all probabilities written out, on diffusers' U-Net and scheduler.

Source: Hertz et al. 2022, arXiv:2208.01626: section 3 for word swap, refinement and re-weighting, section 4.1
for the local blend. Only the windows, which self-attention is lent, and the maps of words are ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.latents.vae import decode
from limelight.pipeline.text.align import align
from limelight.pipeline.text.encoder import words_of
from tests.pipeline.stock import largest_difference

BASE, EDIT = 1, 3  # of the rows negative, base, negative, edit
STEPS, GUIDANCE, SIZE = 5, 4.0, (12, 16)  # of the latent, height and width
PROMPT = "an apple and a dog"
# The maps of random networks are flat, so the thresholds are high.
EDITS: dict[str, dict[str, Any]] = {
    "replaced": {"prompt": "an apple and a cat", "blend_words": ("cat",), "blend": (0.97, 0.2)},
    "reweighted": {"prompt": PROMPT, "scale_words": {"apple": 3.0, "dog": -1.0}},
    "added": {"prompt": "an apple and a big dog", "blend_words": ("big", "dog"), "blend": (0.985, 0.4)},
    "added, no blend": {"prompt": "an apple and a big dog"},
    "all": {
        "prompt": "an apple BREAK and a red dog",
        "scale_words": {"red": 2.5},
        "blend_words": ("dog",),
        "blend": (0.97, 1.0),
        "keep": (0.6, 1.0),
    },
}


@dataclass
class Written:
    """A processor of diffusers' that writes all probabilities out, and keeps those of the finest grid."""

    contexts: list[Tensor]
    tokens: Tensor  # of the base to those of the edit
    factors: Tensor
    keeps_cross: bool = True
    keeps_self: bool = True
    maps: list[tuple[Tensor, Tensor]] = field(default_factory=list)

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
        is_finest = found[BASE].shape[1] == SIZE[0] * SIZE[1]
        if is_cross:
            if self.keeps_cross:
                share = (self.tokens.sum(0) > 0).float()
                found[EDIT] = found[BASE] @ self.tokens + found[EDIT] * (1 - share)
            found[EDIT] = found[EDIT] * self.factors
            if is_finest:
                self.maps.append((found[BASE].mean(0), found[EDIT].mean(0)))
        elif self.keeps_self and not is_finest:
            found[EDIT] = found[BASE]
        outs = [(p @ v).transpose(0, 1).flatten(1) for p, v in zip(found, values, strict=True)]
        return attn.to_out[0](torch.stack(outs))


def of_word(pipe: TextToImagePipeline, prompt: str, word: str) -> list[int]:
    words = words_of(prompt, pipe.model.text.prompt(prompt).tokens)
    return [token for each in words if each.text == word for token in each.tokens]


def tokens_in_both(pipe: TextToImagePipeline, prompt: str, word: str, tokens: Tensor) -> Iterator[list[int]]:
    edit = of_word(pipe, prompt, word)
    yield tokens[:, edit].sum(1).nonzero().flatten().tolist()
    yield edit


def drawn(pipe: TextToImagePipeline, folder: Path, asked: GenerationRequest) -> tuple[Tensor, Tensor]:
    """The finished latents of base and edit."""
    text = pipe.model.text
    base, edit, negative = text.prompt(PROMPT), text.prompt(asked.prompt), text.negative("")
    tokens = align(PROMPT, base, asked.prompt, edit).tokens
    factors = torch.ones(len(edit.context))
    for scaled in asked.scale_words:
        factors[of_word(pipe, asked.prompt, scaled.word)] = scaled.scale
    rows = [negative, base, negative, edit]
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    written = Written([each.context for each in rows], tokens, factors)
    unet.set_attn_processor(written)
    added: dict[str, Any] = {}
    if base.pooled is not None:
        size = [2.0 * side for side in SIZE]
        ids = torch.tensor([[*size, 0, 0, *size]]).repeat(4, 1)
        added["added_cond_kwargs"] = {
            "text_embeds": torch.stack([each.pooled for each in rows if each.pooled is not None]),
            "time_ids": ids,
        }
    scheduler = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    scheduler.set_timesteps(STEPS)
    cross, own = asked.keep
    if len(asked.prompt.split()) > len(PROMPT.split()) and not asked.blend_words:
        cross = cross**2
    x = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(asked.seed)).repeat(2, 1, 1, 1)
    unread = torch.zeros(4, 77, base.context.shape[-1])
    for i, timestep in enumerate(scheduler.timesteps):
        written.keeps_cross, written.keeps_self = (i / STEPS < until for until in (cross, own))
        out = unet(x[[0, 0, 1, 1]], timestep, encoder_hidden_states=unread, **added).sample
        prediction = out[[0, 2]] + GUIDANCE * (out[[BASE, EDIT]] - out[[0, 2]])
        x = scheduler.step(prediction, timestep, x).prev_sample
        if asked.blend_words and i >= min(asked.blend[1] * STEPS, STEPS - 1):
            mask = torch.zeros(SIZE, dtype=torch.bool)
            for word in asked.blend_words:
                for which, mine in enumerate(tokens_in_both(pipe, asked.prompt, word, tokens)):
                    if mine:
                        map = torch.stack([pair[which][:, mine].sum(1) for pair in written.maps]).mean(0)
                        wide = F.max_pool2d(map.view(1, 1, *SIZE), 3, stride=1, padding=1)[0, 0]
                        mask |= wide / wide.max() > asked.blend[0]
            assert 0 < mask.float().mean() < 1  # else the blend shows nothing
            x[1] = x[0] + mask * (x[1] - x[0])
    return x[:1], x[1:]


@torch.inference_mode()
@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_an_edit_is_that_of_the_papers_equations(
    sd_folder: Path, sdxl_folder: Path, family: str, name: str
) -> None:
    folder = {"sd": sd_folder, "sdxl": sdxl_folder}[family]
    pipe = TextToImagePipeline.from_pretrained(folder, device="cpu")
    fields: dict[str, Any] = {"edit_of": PROMPT, "seed": 3, "num_steps": STEPS, "guidance_scale": GUIDANCE}
    asked = GenerationRequest(**fields, width=2 * SIZE[1], height=2 * SIZE[0], **EDITS[name])
    result = pipe(asked)
    base, edit = drawn(pipe, folder, asked)
    assert result.latent is not None and result.base is not None
    assert (result.latent - edit).abs().max() <= 1e-5 * STEPS * edit.abs().max()
    assert largest_difference(result.image, decode(pipe.model.vae, edit)) <= 1
    assert largest_difference(result.base, decode(pipe.model.vae, base)) <= 1
    assert (edit - base).abs().max() > 0.01 * edit.abs().max()  # else the edit shows nothing
