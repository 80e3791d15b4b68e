"""The second edition begins with the first edition's weights: both draw on a grid of 16x16."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from scripts.second.training.text import TextSide

WIDENED = ("conv_in.weight", "conv_out.weight", "conv_out.bias")  # these depend on the latents' channels


@torch.no_grad()
def inherit(denoising: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Loads the weights of a denoiser, and what is trained with it, whose latents have at most as many
    channels. It predicts the same of these channels, whatever the others are, and 0 of the others.

    Raises:
        RuntimeError: the networks differ in more than the channels of their latents.
    """
    wider = {}
    for name, own in denoising.state_dict().items():
        if name.endswith(WIDENED):
            wider[name] = torch.zeros_like(own)
            wider[name][tuple(slice(size) for size in weights[name].shape)] = weights[name]
    denoising.load_state_dict({**weights, **wider})


@torch.no_grad()
def inherit_text(text: TextSide, folder: Path) -> list[int]:
    """Loads the text encoder of a model's folder; its tokens keep their embeddings, the others keep those
    that they have. Returns the ids of the tokens that it knows."""
    known = CLIPTokenizer.from_pretrained(folder / "tokenizer").get_vocab()
    weights = load_file(folder / "text_encoder/model.safetensors")
    tokens, places = "embeddings.token_embedding.weight", "embeddings.position_embedding.weight"
    pairs = [(new, known[token]) for token, new in text.tokenizer.get_vocab().items() if token in known]
    new, old = (list(numbers) for numbers in zip(*pairs, strict=True))
    embeddings = text.encoder.get_parameter(tokens).clone()
    embeddings[new] = weights[tokens][old].float()
    weights |= {tokens: embeddings, places: weights[places][: text.length]}
    text.encoder.load_state_dict(weights)
    return new
