"""Selects which grids, predictions and heads of a recording are combined in a map."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.recording import Grid, Recording
from limelight.pipeline.errors import UsageError
from limelight.pipeline.models.best_maps import ALL, BestMaps


class NoSuchMap(UsageError):
    """There is no map of this word, token, site, step or grid; the message names those that exist."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A recording, and the part of it that is combined.

    Args:
        best: how maps are combined if neither predictions nor grids are given.
        steps: indices of the predictions; None means the best ones.
        grids: the grids; None means the best heads or grids.
    """

    recording: Recording
    best: BestMaps = ALL
    steps: tuple[int, ...] | None = None
    grids: tuple[Grid, ...] | None = None

    def step(self, index: int) -> "Selection":
        """Only one prediction.

        Raises:
            NoSuchMap: there were fewer predictions.
        """
        num_steps = len(self.recording.steps)
        if not 0 <= index < num_steps:
            raise NoSuchMap(f"step is {index}; recorded are 0 to {num_steps - 1}")
        return replace(self, steps=(index,))

    def grid(self, side: int) -> "Selection":
        """The sites with `side` positions along the picture's shorter side.

        Raises:
            NoSuchMap: no site has such a grid.
        """
        grids = self.recorded_grids()
        chosen = tuple(grid for grid in grids if min(grid) == side)
        if not chosen:
            raise NoSuchMap(f"grid is {side}; recorded are {', '.join(str(min(grid)) for grid in grids)}")
        return replace(self, grids=chosen)

    def view(self, name: str) -> "Selection":
        """The same part of another type of map, such as `values`.

        Raises:
            NoSuchMap: it is not recorded, or not on the selected grids.
        """
        if name not in self.recording.views:
            raise NoSuchMap(f"{name} is not recorded; it needs record_extras=({name!r},)")
        view = replace(self, recording=self.recording.views[name])
        if missing := set(self.grids or ()) - set(view.recorded_grids()):
            raise NoSuchMap(f"grid is {min(missing)}; {name} is recorded on {view.recorded_grids()}")
        return view

    def of_negative(self, recording: Recording) -> "Selection":
        """The same part of the negative prompt's recording.

        Raises:
            NoSuchMap: it has fewer predictions, and single ones are selected.
        """
        ours, theirs = len(self.recording.steps), len(recording.steps)
        if self.steps is not None and ours != theirs:
            raise NoSuchMap(
                f"the negative prompt had a part in {theirs} of {ours} predictions; "
                "its maps are of all of them together: ask without step()"
            )
        return replace(self, recording=recording)

    def recorded_grids(self) -> tuple[Grid, ...]:
        """Every recorded grid, the finest first.

        Raises:
            NoSuchMap: nothing is recorded.
        """
        if not self.recording.steps:
            raise NoSuchMap("nothing is recorded yet")
        grids = tuple(sorted(self.recording.steps[0], reverse=True))
        if not grids:
            raise NoSuchMap(
                "nothing is recorded of this picture: self-attention sites have larger grids than 32x32"
            )
        return grids

    def all(self) -> "Selection":
        """All heads of all grids but the coarsest, over all predictions."""
        return replace(self, best=ALL, steps=None, grids=None)

    def taken_grids(self) -> tuple[Grid, ...]:
        """The grids that are combined in a map, the finest first."""
        grids = self.recorded_grids()
        if self.grids is not None:
            return self.grids
        if self._has_chosen:
            return tuple(sorted(self._source.steps[0], reverse=True))
        return grids[:1] if self.best.finest else grids[:-1] or grids

    def taken_steps(self) -> tuple[int, ...] | None:
        """The predictions that are combined in a map; None means all."""
        if self.steps is not None or self.grids is not None or self.best.last == 1:
            return self.steps
        count = len(self.recording.steps)
        return tuple(range(count - max(1, round(self.best.last * count)), count))

    @property
    def _has_chosen(self) -> bool:
        return self.grids is None and bool(self.best.heads) and "chosen" in self.recording.views

    @property
    def _source(self) -> Recording:
        """The recording of the chosen heads if these are best, otherwise of all heads."""
        return self.recording.views["chosen"] if self._has_chosen else self.recording

    def in_words(self) -> str:
        """A description, such as "the mean of 5 heads of the 16x16 sites over 25 predictions"."""
        sizes = " and ".join(f"{height}x{width}" for height, width in self.taken_grids())
        heads = sum(map(len, self.best.heads.values())) if self._has_chosen else "all"
        count, steps = self.recording.num_own, self.taken_steps()
        over = f"{count} predictions"
        if self.steps is not None:
            over = f"prediction {', '.join(str(step + 1) for step in self.steps)}"
        elif steps is not None:
            over = f"the last {len(steps)} of {count} predictions"
        return f"the mean of {heads} heads of the {sizes} sites over {over}"

    def mean(self, tokens: Sequence[int]) -> Float[Tensor, "m h w"]:
        """Mean over the selected predictions and heads, with equal weights for grids, on the finest of
        them."""
        finest, *others = self.taken_grids()
        source, steps = self._source, self.taken_steps()
        maps = [source.grid(finest, steps)[list(tokens)]]
        for grid in others:
            coarse = source.grid(grid, steps)[list(tokens)]
            maps.append(F.interpolate(coarse[None], size=finest, mode="bilinear")[0])
        return torch.stack(maps).mean(0).cpu()

    def site(self, name: str) -> Tensor:
        """Mean over the selected steps, at one site: m h w, or heads m h w at level `head`.

        Raises:
            NoSuchMap: there is no such site, or sites are not recorded separately.
        """
        self.check_sites()
        if name not in self.recording.sums:
            near = ", ".join(get_close_matches(name, self.recording.sums, n=3, cutoff=0.0))
            raise NoSuchMap(f"no site {name!r} was recorded; the nearest are {near}")
        return self.recording.site(name, self.steps).float().cpu()

    def head(self, name: str, index: int) -> Float[Tensor, "m h w"]:
        """As `site`, for one head.

        Raises:
            NoSuchMap: there is no such site or head, or heads are not recorded.
        """
        if self.recording.level != "head":
            raise NoSuchMap(f"recorded at level {self.recording.level!r}; heads need record='head'")
        maps = self.site(name)
        if not 0 <= index < len(maps):
            raise NoSuchMap(f"head is {index}; {name} has 0 to {len(maps) - 1}")
        return maps[index]

    def check_sites(self) -> None:
        """Raises NoSuchMap if sites are not recorded separately, or not for the selected steps."""
        if not self.recording.sums:
            raise NoSuchMap(f"recorded at level {self.recording.level!r}; sites need record='site' or 'head'")
        if self.steps is not None and not self.recording.site_steps:
            raise NoSuchMap(
                "sites are recorded over all predictions together; "
                "those of a single one need record_extras=('steps',)"
            )

    def queried_steps(self) -> tuple[int, ...]:
        """The selected predictions whose queries were recorded.

        Raises:
            NoSuchMap: there are none.
        """
        kept = self.recording.queries
        if not kept:
            raise NoSuchMap("no queries were recorded; they need record_queries=(a prediction, ...)")
        taken = tuple(kept) if self.steps is None else tuple(step for step in self.steps if step in kept)
        if not taken:
            raise NoSuchMap(f"queries were recorded only for predictions {', '.join(map(str, kept))}")
        return taken
