"""An additional loss for the denoiser: the map of a word should lie on the object that the word names.

Without it, maps of nouns lie on their objects, but maps of colour words do not. A causal encoder passes the
colour to the noun's token, so the U-Net need not read the colour's own token. (Wang et al. 2024,
"TokenCompose", arXiv:2312.03626, use such a loss for nouns.)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.recording.effective import probabilities
from scripts.training.data import Batch
from scripts.training.text import TextSide

SIDE = 16  # positions a side of the grid whose maps are kept
GROUND = 2  # index of the ground's mask; 0 and 1 are the first and the second thing
NOTHING = -1


def masks(batch: Batch) -> Float[Tensor, "b 3 h w"]:
    """The share of each position of the grid that shows the first thing, the second, and the ground."""
    slots = F.adaptive_avg_pool2d(batch.pictures.masks, SIDE)
    counts = torch.tensor([scene.things[0].count for scene in batch.scenes], device=slots.device)
    is_first = torch.arange(slots.shape[1], device=slots.device) < counts[:, None]
    first = (slots * is_first[:, :, None, None]).sum(1)
    both = slots.sum(1)
    return torch.stack([first, both - first, 1 - both], 1).clamp(min=0)


def named(batch: Batch, text: TextSide, ids: Int[Tensor, "b m"]) -> Int[Tensor, "b m"]:
    """For every token the mask of what it names: a noun and its colour word their thing, the ground's colour
    word the ground; `NOTHING` for all others, and for a caption that was cut."""
    answers = torch.full_like(ids, NOTHING)
    for row, scene in enumerate(batch.scenes):
        tokens = ids[row].tolist()
        nouns = text.nouns.find(tokens)
        if len(nouns) != len(scene.things):
            continue
        start = 0
        for number, (thing, (noun, _)) in enumerate(zip(scene.things, nouns, strict=True)):
            answers[row, noun] = number
            if thing.colour:
                colour, _ = text.colours.find(tokens[: noun.start])[-1]
                answers[row, colour] = number
            start = noun.stop
        grounds = text.grounds.find(tokens)
        if scene.background and grounds and grounds[-1][0].start >= start:
            answers[row, grounds[-1][0]] = GROUND
    return answers


class Maps:
    """A recorder that keeps the maps of one call of the denoiser, with their gradients."""

    def __init__(self) -> None:
        self.sites: list[Float[Tensor, "b n m"]] = []

    def record(self, site, q, k, v, *, scale, grid, out_weight) -> None:  # type: ignore[no-untyped-def]
        if grid == (SIDE, SIDE):
            heads = probabilities(q.flatten(0, 1), k.flatten(0, 1), scale=scale)  # (b h) n m
            self.sites.append(heads.unflatten(0, q.shape[:2]).mean(1))

    def record_self(self, site, q, k, *, scale, grid) -> None:  # type: ignore[no-untyped-def]
        """Self-attention is not recorded."""

    def loss(self, answers: Int[Tensor, "b m"], truth: Float[Tensor, "b 3 h w"]) -> Float[Tensor, ""]:
        """The Kullback-Leibler divergence of a word's map (mean over heads and sites) from the mask of what
        it names, both as distributions over positions; the mean over words. 0 if no word names anything or no
        site has this grid."""
        rows, tokens = torch.nonzero(answers != NOTHING, as_tuple=True)
        if not len(rows) or not self.sites:
            return truth.new_zeros(())
        found = torch.stack(self.sites).mean(0)[rows, :, tokens]
        wanted = truth[rows, answers[rows, tokens]].flatten(1)
        found = found / found.sum(1, keepdim=True)
        wanted = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-6)
        return F.kl_div((found + 1e-8).log(), wanted, reduction="batchmean")
