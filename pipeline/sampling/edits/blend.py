"""The local blend of an edit: outside the places of some words its latent is that of the picture it keeps.

Source: Hertz et al. 2022, arXiv:2208.01626, section 4.1, with the words' own maps for those of 16x16.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.maps.request_maps import RequestMaps
from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.edits.inversion import Path
from limelight.pipeline.sampling.sampler import Change, changed
from limelight.pipeline.text.align import Alignment
from limelight.pipeline.text.encoder import Word

Tokens = tuple[list[int], list[int]]  # of a word, in the base's prompt and in the edit's


class Blend:
    """Joins the latents of base and edit after each step.

    Args:
        maps: of both pictures, which grow with the predictions.
        count: predictions of the first pass, which are recorded.

    Raises:
        NoSuchMap: a word is in neither prompt.
    """

    def __init__(
        self, request: GenerationRequest, alignment: Alignment, maps: RequestMaps, count: int
    ) -> None:
        assert maps.base_view is not None, "the base is not recorded"
        self._maps = maps.base_view, maps.view
        self._recorded = maps.prompt
        self._threshold, self._start = request.blend
        self._count = count
        words = maps.base_view.words(), maps.view.words()
        self._words = [blended(each, words, alignment) for each in request.blend_words]
        self._base: Tensor | None = None

    def of_base(self, step: int, x: Float[Tensor, "1 c h w"]) -> None:
        """Takes the base's latent after a step."""
        self._base = x

    def of_image(self, path: Path) -> Change:
        """As `of_base`, where the latent that is kept is that of an image at the step's level of noise, and
        not the base's, which comes near to it.

        Args:
            path: of the inverted image; its first latent is the one after the last step.
        """

        def change(step: int, x: Tensor) -> None:
            self.of_base(step, path[-2 - step])

        return change

    def of_edit(self, step: int, x: Float[Tensor, "1 c h w"]) -> Float[Tensor, "1 c h w"]:
        """The edit's latent after a step, which comes after the base's."""
        assert self._base is not None, "the edit is ahead of its base"
        # The last step is always in the window, so the finished latent differs in the words' places alone.
        if len(self._recorded.steps) - 1 < min(self._start * self._count, self._count - 1):
            return x
        return torch.where(self.mask((x.shape[2], x.shape[3])).to(x.device), x, self._base)

    def after(self, change: Change | None) -> Change:
        """A change of the edit's latent, followed by the blend."""
        if change is None:
            return self.of_edit
        return lambda step, x: self.of_edit(step, changed(change, step, x))

    def mask(self, size: tuple[int, int]) -> Bool[Tensor, "h w"]:
        """Where the words are in one picture or the other, by all predictions so far."""
        found = torch.zeros(size, dtype=torch.bool)
        for tokens in self._words:
            for maps, mine in zip(self._maps, tokens, strict=True):
                if mine:
                    found |= place(maps, mine, size, self._threshold)
        return found


def place(
    maps: HeatMaps, tokens: Sequence[int], size: tuple[int, int], threshold: float
) -> Bool[Tensor, "h w"]:
    """Where the map of some tokens, each position the largest of its 3x3, is above a part of its maximum."""
    map = maps.selection.mean(tokens).sum(0).float().abs()[None, None]  # a weight may be negative
    wide = F.interpolate(F.max_pool2d(map, 3, stride=1, padding=1), size, mode="bilinear")[0, 0]
    return wide > threshold * wide.max()


def blended(text: str, words: tuple[Sequence[Word], Sequence[Word]], alignment: Alignment) -> Tokens:
    """The tokens of some words, with those that stand in their place in the other prompt.

    Raises:
        NoSuchMap: they are in neither prompt.
    """
    base, edit = (_tokens(each, text) for each in words)
    if base is None and edit is None:
        tokens_of(words[1], text, None)  # raises, and says which words there are
    to_edit = alignment.tokens[base or []].sum(0).nonzero().flatten().tolist()
    to_base = alignment.tokens[:, edit or []].sum(1).nonzero().flatten().tolist()
    return sorted({*(base or []), *to_base}), sorted({*(edit or []), *to_edit})


def _tokens(words: Sequence[Word], text: str) -> list[int] | None:
    try:
        return tokens_of(words, text, None)
    except NoSuchMap:
        return None
