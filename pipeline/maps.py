"""Where each word acted: cross-attention maps of one picture, put together from a recording."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from attention.recorder import Grid, Recording
from pipeline.errors import UsageError
from pipeline.text import Token

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


class NoSuchMap(UsageError):
    """There is no map of that word, token, site, step or grid; the message names those that exist."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the prompt.

    Attributes:
        text: as typed.
        span: its characters [start, end) in the prompt.
        tokens: positions of the context that it takes.
    """

    text: str
    span: tuple[int, int]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeatMaps:
    """Cross-attention probabilities of one prompt over one picture.

    Every position of the picture divides its attention among all tokens, start, end and padding among them,
    so over all tokens the maps sum to 1. A map is the mean over heads, sites and steps. Sites of the coarsest
    grid are left out where there are finer ones: each of their positions sees much of the picture at once, so
    they tell words apart least.

    Attributes:
        size: height and width of the picture in pixels, and of the maps.
        steps: index of the predictions taken together; None for all.
        grids: the grids taken together; None for all but the coarsest.
    """

    prompt: str
    tokens: tuple[Token, ...]
    size: tuple[int, int]
    recording: Recording
    steps: tuple[int, ...] | None = None
    grids: tuple[Grid, ...] | None = None

    def words(self) -> tuple[Word, ...]:
        """The words of the prompt, in order; sub-tokens belong to the word that their characters lie in."""
        words = []
        for start, end in self._spans():
            tokens = tuple(
                i
                for i, token in enumerate(self.tokens)
                if token.span[0] < token.span[1] and start <= token.span[0] < end
            )
            if tokens:
                words.append(Word(self.prompt[start:end], (start, end), tokens))
        return tuple(words)

    def _spans(self) -> list[tuple[int, int]]:
        """Where words lie; a word of a textual inversion is one, with its angle brackets if it has any."""
        learned = {token.span for token in self.tokens if token.is_learned}
        plain = {match.span() for match in _WORD.finditer(self.prompt)}
        alone = {(a, b) for a, b in plain if not any(a < end and start < b for start, end in learned)}
        return sorted(learned | alone)

    def word(self, text: str, occurrence: int | None = None) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to a word, its sub-tokens together.

        Args:
            text: upper and lower case are one; may be several words, which are then taken together.
            occurrence: from 0, which of several equal words; None takes them together.

        Raises:
            NoSuchMap: the prompt does not have it, or not so often.
        """
        is_one = text.casefold() in {word.text.casefold() for word in self.words()}
        found = [self._find(part, occurrence) for part in ([text] if is_one else _WORD.findall(text))]
        if not found:
            raise NoSuchMap(f"{text!r} holds no word; {self._names()}")
        return self._sum([i for tokens in found for i in tokens])

    def token(self, index: int) -> Float[Tensor, "h w"]:
        """The probability that a pixel attends to one position of the context; 0 is the start token.

        Raises:
            NoSuchMap: the context is shorter.
        """
        if not 0 <= index < len(self.tokens):
            raise NoSuchMap(f"token is {index}; the context has 0 to {len(self.tokens) - 1}")
        return self._sum([index])

    def step(self, index: int) -> "HeatMaps":
        """The maps of one prediction alone.

        Raises:
            NoSuchMap: there were fewer predictions.
        """
        count = len(self.recording.steps)
        if not 0 <= index < count:
            raise NoSuchMap(f"step is {index}; recorded are 0 to {count - 1}")
        return replace(self, steps=(index,))

    def grid(self, side: int) -> "HeatMaps":
        """The maps of the sites with `side` positions along the picture's shorter side.

        Raises:
            NoSuchMap: no site has such a grid.
        """
        chosen = tuple(grid for grid in self._all_grids() if min(grid) == side)
        if not chosen:
            sides = ", ".join(str(min(grid)) for grid in self._all_grids())
            raise NoSuchMap(f"grid is {side}; recorded are {sides}")
        return replace(self, grids=chosen)

    def site(self, name: str) -> Float[Tensor, "m h w"]:
        """All tokens at one site, on its own grid: the mean over heads and predictions.

        Raises:
            NoSuchMap: no such site, or none was recorded by itself.
        """
        maps = self._site(name)
        return maps.mean(0) if self.recording.level == "head" else maps

    def head(self, name: str, index: int) -> Float[Tensor, "m h w"]:
        """All tokens in one head of a site, on its own grid: the mean over predictions.

        Raises:
            NoSuchMap: no such site or head, or heads were not recorded.
        """
        if self.recording.level != "head":
            raise NoSuchMap(f"recorded at level {self.recording.level!r}; heads need record='head'")
        maps = self._site(name)
        if not 0 <= index < len(maps):
            raise NoSuchMap(f"head is {index}; {name} has 0 to {len(maps) - 1}")
        return maps[index]

    def at(self, x: int, y: int) -> dict[str, float]:
        """How one pixel shares its attention among the words, the largest first.

        Raises:
            NoSuchMap: the pixel lies outside the picture.
        """
        height, width = self.size
        if not (0 <= x < width and 0 <= y < height):
            raise NoSuchMap(f"the point is ({x}, {y}); the picture is {width}x{height}")
        shares: dict[str, float] = {}
        for word in self.words():
            shares[word.text] = shares.get(word.text, 0.0) + float(self._sum(word.tokens)[y, x])
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def probabilities(self) -> Float[Tensor, "m h w"]:
        """Every token's map, on the finest grid that is taken."""
        return self._mean(range(len(self.tokens)))

    def _sum(self, tokens: Sequence[int]) -> Float[Tensor, "h w"]:
        coarse = self._mean(tokens).sum(0, keepdim=True)[None]
        fine = F.interpolate(coarse, size=self.size, mode="bicubic", align_corners=False)
        return fine[0, 0].clamp(0, 1)

    def _mean(self, tokens: Sequence[int]) -> Float[Tensor, "m h w"]:
        """Mean over the steps and grids taken, each grid weighed alike, on the finest of them."""
        grids = self.grids or self._fine_grids()
        steps = self.recording.steps
        taken = steps if self.steps is None else [steps[i] for i in self.steps]
        if not taken:
            raise NoSuchMap("nothing is recorded yet")
        index = torch.tensor(list(tokens), device=taken[0][grids[0]].device)
        maps = []
        for grid in grids:
            mean = torch.stack([step[grid].index_select(0, index) for step in taken]).mean(0)
            scaled = (
                mean if grid == grids[0] else F.interpolate(mean[None], size=grids[0], mode="bilinear")[0]
            )
            maps.append(scaled)
        return torch.stack(maps).mean(0).cpu()

    def _all_grids(self) -> tuple[Grid, ...]:
        """Every recorded grid, the finest first."""
        if not self.recording.steps:
            raise NoSuchMap("nothing is recorded yet")
        return tuple(sorted(self.recording.steps[0], reverse=True))

    def _fine_grids(self) -> tuple[Grid, ...]:
        grids = self._all_grids()
        return grids[:-1] or grids

    def _site(self, name: str) -> Tensor:
        sums = self.recording.sums
        if not sums:
            raise NoSuchMap(f"recorded at level {self.recording.level!r}; sites need record='site' or 'head'")
        if name not in sums:
            near = ", ".join(get_close_matches(name, sums, n=3, cutoff=0.0))
            raise NoSuchMap(f"no site {name!r} was recorded; the nearest are {near}")
        return self.recording.site(name).cpu()

    def _find(self, text: str, occurrence: int | None) -> tuple[int, ...]:
        equal = [word for word in self.words() if word.text.casefold() == text.casefold()]
        if not equal:
            raise NoSuchMap(f"the prompt has no word {text!r}; {self._names()}")
        if occurrence is None:
            return tuple(i for word in equal for i in word.tokens)
        if not 0 <= occurrence < len(equal):
            raise NoSuchMap(f"occurrence of {text!r} is {occurrence}; the prompt has 0 to {len(equal) - 1}")
        return equal[occurrence].tokens

    def _names(self) -> str:
        return f"its words are {', '.join(dict.fromkeys(word.text for word in self.words()))}"
