"""Reading a recording: sums and means of maps, sites and words by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.recording import Grid, Recording
from limelight.pipeline.errors import UsageError
from limelight.pipeline.maps import numbers
from limelight.pipeline.text.clip_encoder import Token
from limelight.pipeline.text.segments import spelled, touching, word_spans
from limelight.pipeline.text.words import Part, Word, parts_of, words_of


class NoSuchMap(UsageError):
    """There is no map of that word, token, site, step or grid; the message names those that exist."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A recording, and what of it is taken together.

    Attributes:
        size: height and width of the picture in pixels, and of the maps.
        steps: index of the predictions taken together; None for all.
        grids: the grids taken together; None for all but the coarsest.
        is_normalised: stretch each map from 0 to 1 by its own range.
        end_share: part of the end token's probability that words get.
    """

    prompt: str
    tokens: tuple[Token, ...]
    size: tuple[int, int]
    recording: Recording
    steps: tuple[int, ...] | None = None
    grids: tuple[Grid, ...] | None = None
    is_normalised: bool = False
    end_share: float = 0.0

    def words(self) -> tuple[Word, ...]:
        """The words of the prompt, in order; sub-tokens belong to the word that their characters lie in."""
        return words_of(self.prompt, self.tokens)

    def taken_grids(self) -> tuple[Grid, ...]:
        """The grids that a map is put together from, the finest first."""
        grids = self._all_grids()
        return self.grids or grids[:-1] or grids

    def probabilities(self) -> Float[Tensor, "m h w"]:
        """Every token's map, on the finest grid that is taken."""
        return self._mean(range(len(self.tokens)))

    def _words(self, tokens: Sequence[int]) -> Float[Tensor, "h w"]:
        """As `_sum`, with the words' part of what the end token has."""
        if not self.end_share:
            return self._sum(tokens)
        maps = self.probabilities()
        words = maps[[i for word in self.words() for i in word.tokens]].sum(0)
        end = maps[self._part("end")].sum(0)
        own = maps[list(tokens)].sum(0)
        return self._resized(own + self.end_share * end * own / words.clamp(min=1e-12)).clamp(0, 1)

    def _sum(self, tokens: Sequence[int]) -> Float[Tensor, "h w"]:
        return self._resized(self._mean(tokens).sum(0)).clamp(0, 1)

    def _resized(self, map: Float[Tensor, "gh gw"]) -> Float[Tensor, "h w"]:
        return F.interpolate(map[None, None], size=self.size, mode="bicubic", align_corners=False)[0, 0]

    def _scaled(self, map: Tensor) -> Tensor:
        return numbers.stretched(map) if self.is_normalised else map

    def _mean(self, tokens: Sequence[int]) -> Float[Tensor, "m h w"]:
        """Mean over the steps and grids taken, each grid weighed alike, on the finest of them."""
        grids = self.taken_grids()
        maps = []
        for grid in grids:
            mean = self.recording.grid(grid, self.steps)[list(tokens)]
            scaled = (
                mean if grid == grids[0] else F.interpolate(mean[None], size=grids[0], mode="bilinear")[0]
            )
            maps.append(scaled)
        return torch.stack(maps).mean(0).cpu()

    def _all_grids(self) -> tuple[Grid, ...]:
        """Every recorded grid, the finest first."""
        if not self.recording.steps:
            raise NoSuchMap("nothing is recorded yet")
        grids = tuple(sorted(self.recording.steps[0], reverse=True))
        if not grids:
            raise NoSuchMap(
                "nothing is recorded of this picture: self-attention sites have larger grids than 32x32"
            )
        return grids

    def _site(self, name: str) -> Tensor:
        self._check_sites()
        if name not in self.recording.sums:
            near = ", ".join(get_close_matches(name, self.recording.sums, n=3, cutoff=0.0))
            raise NoSuchMap(f"no site {name!r} was recorded; the nearest are {near}")
        return self.recording.site(name, self.steps).float().cpu()

    def _check_sites(self) -> None:
        if not self.recording.sums:
            raise NoSuchMap(f"recorded at level {self.recording.level!r}; sites need record='site' or 'head'")
        if self.steps is not None and not self.recording.site_steps:
            raise NoSuchMap(
                "sites are recorded over all predictions together; "
                "those of a single one need record_extras=('steps',)"
            )

    def _part(self, part: Part) -> list[int]:
        return [i for i, each in enumerate(parts_of(self.tokens)) if each == part]

    def _tokens_of(self, text: str, occurrence: int | None) -> list[int]:
        """Positions of a word, or of several; of characters that touch, where they touch in the prompt."""
        words = self.words()
        if any(spelled(text) == spelled(word.text) for word in words):
            return list(self._find(text, occurrence, [(word,) for word in words]))
        found: list[int] = []
        for run in touching(word_spans(text)):
            runs = [words[i : i + len(run)] for i in range(len(words) - len(run) + 1)]
            found += self._find(text[run[0][0] : run[-1][1]], occurrence, [r for r in runs if _touch(r)])
        if not found:
            raise NoSuchMap(f"{text!r} holds no word; {self._names()}")
        return found

    def _find(self, text: str, occurrence: int | None, runs: Sequence[Sequence[Word]]) -> tuple[int, ...]:
        equal = [run for run in runs if spelled("".join(word.text for word in run)) == spelled(text)]
        if not equal:
            raise NoSuchMap(
                f"the prompt has no word {text!r}; {self._names()}; maps.query({text!r}) asks for others"
            )
        if occurrence is not None and not 0 <= occurrence < len(equal):
            raise NoSuchMap(f"occurrence of {text!r} is {occurrence}; the prompt has 0 to {len(equal) - 1}")
        chosen = equal if occurrence is None else [equal[occurrence]]
        return tuple(dict.fromkeys(i for run in chosen for word in run for i in word.tokens))

    def _names(self) -> str:
        return f"its words are {', '.join(dict.fromkeys(word.text for word in self.words()))}"


def _touch(words: Sequence[Word]) -> bool:
    return all(one.span[1] == other.span[0] for one, other in pairwise(words))
