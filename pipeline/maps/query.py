"""Computes maps of words that are not in the prompt, from the recorded queries of a picture."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recording import Extras, Grid, Recording
from limelight.pipeline.errors import UsageError
from limelight.pipeline.models.model import Model
from limelight.pipeline.text.clip_encoder import Token
from limelight.pipeline.text.encoder import Reading

Keys = Callable[[str], tuple[tuple[Token, ...], Mapping[str, Tensor]]]  # text -> tokens, site -> h m d


@torch.inference_mode()
def context_keys(model: Model, reading: Reading, text: str) -> tuple[tuple[Token, ...], dict[str, Tensor]]:
    """The tokens of a text, without padding, and their keys at each site.

    Raises:
        UsageError: the text takes more than one chunk.
    """
    conditioning = model.text.prompt(text, **reading)
    if len(conditioning.context) > model.text.length:
        raise UsageError(
            f"{text[:40]!r}... takes more than {model.text.length - 2} tokens; ask for a few words"
        )
    num_tokens = 2 + sum(token.span[0] < token.span[1] for token in conditioning.tokens)
    context = conditioning.context[None, :num_tokens].to(model.unet.dtype)
    found = model.unet.keys_values(context)
    return conditioning.tokens[:num_tokens], {site: k[0] for site, (k, _) in found.items()}


@torch.inference_mode()
def queried(recording: Recording, steps: tuple[int, ...], keys: Mapping[str, Tensor]) -> Recording:
    """The recording of `steps` that these keys would have given in place of the prompt's.

    The softmax is over the tokens of the text. Its start token receives the attention that fits no word.

    Source: Marcos-Manchon et al. 2024, arXiv:2403.14291.
    """
    chosen = Extras(heads=recording.extras.heads)
    result = Recording("grid", next(iter(keys.values())).shape[1], chosen)
    grids = _grids(recording)
    for step in steps:
        frame = result.frame()
        for site, q in recording.queries[step].items():
            heads = probabilities(q, keys[site], scale=q.shape[-1] ** -0.5)
            frame.add(site, grids[q.shape[1]], heads.mean(0), None)
            frame.choose(site, grids[q.shape[1]], heads, chosen)
        result.append(frame)
    return result


def _grids(recording: Recording) -> dict[int, Grid]:
    """Number of positions -> its grid."""
    return {height * width: (height, width) for height, width in recording.steps[0]}
