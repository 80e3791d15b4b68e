"""A loss for the text encoder in addition to the denoiser's: it must encode the relation of the two things in
a caption.

A caption's relation changes a picture's loss by less than its noise does, and an encoder that was pretrained
on whole pictures has let `left` and `right` fall together: left to the denoiser's loss alone, 400,000
pictures did not part them again (`scripts.training.scoring.margins`).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from scripts.training.data import Sketch
from scripts.training.text import TextSide
from scripts.world.vocabulary import RELATIONS

UNSAID = -100


def relation_head(width: int) -> nn.Linear:
    """A linear reader of the relation from a token's embedding."""
    return nn.Linear(width, len(RELATIONS))


def relation_targets(sketch: Sketch, text: TextSide, ids: Int[Tensor, "b m"]) -> Int[Tensor, "b m"]:
    """For every token the relation of its caption's things: from the second noun on, where a causal encoder
    knows it; `UNSAID` elsewhere."""
    answers = torch.full_like(ids, UNSAID)
    for row, (scene, nouns) in enumerate(zip(sketch.scenes, text.noun_positions(ids), strict=True)):
        if scene.relation is not None and len(nouns) == 2:
            answers[row, nouns[1][0] :] = RELATIONS.index(scene.relation)
    return answers


def relation_loss(
    head: nn.Linear, context: Float[Tensor, "b m c"], answers: Int[Tensor, "b m"]
) -> Float[Tensor, ""]:
    """Cross-entropy over the tokens that have a target; 0 if none has."""
    logits, wanted = head(context.float()).flatten(0, 1), answers.flatten()
    total = F.cross_entropy(logits, wanted, ignore_index=UNSAID, reduction="sum")
    return total / (wanted != UNSAID).sum().clamp(min=1)
