"""The factor of each token of a prompt whose words have attention weights."""

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.text.encoder import Conditioning, words_of


def word_factors(request: GenerationRequest, prompt: Conditioning) -> Float[Tensor, " m"] | None:
    """What each token's probabilities are multiplied by; None where no word is scaled."""
    if not request.scale_words:
        return None
    words = words_of(request.prompt, prompt.tokens)
    factors = torch.ones(len(prompt.context))
    for each in request.scale_words:
        factors[tokens_of(words, each.word, None)] *= each.scale
    return factors
