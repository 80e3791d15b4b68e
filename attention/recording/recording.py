"""Recordings: the maps of one prompt over the predictions of one picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

Level = Literal["grid", "site", "head"]  # each keeps what the previous one keeps, and more
Grid = tuple[int, int]  # height, width in positions
Point = tuple[float, float]  # x, y as fractions of the picture's width and height, 0 to 1

HISTORY = torch.float16  # for single predictions; over 77 tokens their sum of 1 is off by at most 5e-4
MAX_REFINED_POSITIONS = 32 * 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What a recording keeps in addition to the probabilities of its level.

    Attributes:
        steps: sites and heads of each prediction, in addition to the mean over the predictions.
        values: maps weighted by the tokens' contributions, see `attention.recording.contributions`.
        refined: maps spread to similar positions, see `Recording.append`.
        points: points of the picture whose self-attention is kept, one row for each site.
        queries: predictions, from 0, whose queries are kept, so that maps of other words can be computed
            later.
        heads: cross-attention site -> heads whose mean is kept separately, at any level.
    """

    steps: bool = False
    values: bool = False
    refined: bool = False
    points: tuple[Point, ...] = ()
    queries: tuple[int, ...] = ()
    heads: tuple[tuple[str, tuple[int, ...]], ...] = ()


PLAIN = Extras()


@dataclass(slots=True)
class Frame:
    """The maps that one prediction of one row recorded.

    Attributes:
        grids: grid -> sum of the maps of its sites, m h w; probabilities over tokens sum to 1.
        num_sites: grid -> number of its sites.
        sites: site -> its map, m h w (level `site`), or each head's map, heads m h w (level `head`).
        views: name -> the frame of another type of map: `values`, `points`, `chosen`.
        mixing: grid -> sum over the self-attention sites of their probabilities, mean over heads, n n.
        num_mixing: grid -> number of those sites.
        queries: cross-attention site -> queries, h n d; None unless queries are kept.
    """

    grids: dict[Grid, Tensor] = field(default_factory=dict)
    num_sites: dict[Grid, int] = field(default_factory=dict)
    sites: dict[str, Tensor] = field(default_factory=dict)
    views: "dict[str, Frame]" = field(default_factory=dict)
    mixing: dict[Grid, Tensor] = field(default_factory=dict)
    num_mixing: dict[Grid, int] = field(default_factory=dict)
    queries: dict[str, Tensor] | None = None

    def add(
        self, site: str, grid: Grid, mean: Float[Tensor, "n m"], kept: Float[Tensor, "*heads n m"] | None
    ) -> None:
        """Adds the maps of a site: `mean` to the sum of its grid, and what its level keeps of the site."""
        maps = mean.mT.unflatten(-1, grid)  # n m -> m height width
        self.grids[grid] = self.grids[grid] + maps if grid in self.grids else maps
        self.num_sites[grid] = self.num_sites.get(grid, 0) + 1
        if kept is not None:
            self.sites[site] = kept.mT.unflatten(-1, grid)

    def choose(self, site: str, grid: Grid, heads: Float[Tensor, "h n m"], chosen: Extras) -> None:
        """Adds the chosen heads of a site, with equal weights."""
        for head in dict(chosen.heads).get(site, ()):
            self.views["chosen"].add(site, grid, heads[head], None)

    def mix(self, grid: Grid, weights: Float[Tensor, "n n"]) -> None:
        """Adds the probabilities of a self-attention site."""
        self.mixing[grid] = self.mixing[grid] + weights if grid in self.mixing else weights
        self.num_mixing[grid] = self.num_mixing.get(grid, 0) + 1

    def means(self) -> dict[Grid, Float[Tensor, "m h w"]]:
        """Grid -> mean over its sites."""
        return {grid: total / self.num_sites[grid] for grid, total in self.grids.items()}


class Recording:
    """The maps of one prompt over the predictions of one picture.

    Every level keeps, for each prediction, the mean over sites and heads of each grid, in float16. Means over
    all predictions come from running sums in float32: of each grid and, at `site` and `head`, of each site.
    They leave out predictions that computed no attention of their own, see `repeat`.

    Args:
        level: how much to keep.
        num_tokens: length of the prompt's context.

    Attributes:
        steps: for each prediction, grid -> mean over its sites.
        totals: grid -> sum of `steps` over the predictions.
        site_steps: for each prediction, site -> its map, if `extras.steps` is set.
        sums: site -> sum over the predictions.
        views: name -> the recording of another type of map: `values`, `refined`, `points`, whose "tokens" are
            the points, and `chosen`, the mean of chosen heads.
        queries: prediction -> cross-attention site -> queries, h n d.
        num_repeated: how many predictions reused the attention of an earlier one.
    """

    def __init__(self, level: Level, num_tokens: int, extras: Extras = PLAIN) -> None:
        self.level = level
        self.num_tokens = num_tokens
        self.extras = extras
        self.steps: list[dict[Grid, Float[Tensor, "m h w"]]] = []
        self.totals: dict[Grid, Float[Tensor, "m h w"]] = {}
        self.site_steps: list[dict[str, Tensor]] = []
        self.sums: dict[str, Tensor] = {}
        self.views: dict[str, Recording] = {}
        self.queries: dict[int, dict[str, Tensor]] = {}
        self.num_repeated = 0
        alike = Extras(steps=extras.steps)
        if extras.values:  # the norm of a sum over heads is no mean over heads
            self.views["values"] = Recording("grid" if level == "grid" else "site", num_tokens, alike)
        if extras.points:
            self.views["points"] = Recording("site", len(extras.points), alike)
        if extras.heads:
            self.views["chosen"] = Recording("grid", num_tokens)
        if extras.refined:
            self.views["refined"] = Recording("grid", num_tokens)

    def frame(self) -> Frame:
        """An empty frame for the next prediction."""
        views = {name: Frame() for name in self.views if name != "refined"}
        return Frame(views=views, queries={} if len(self.steps) in self.extras.queries else None)

    def append(self, frame: Frame) -> None:
        """Adds the frame of the next prediction.

        A refined map is `A M`. M is the mean map of a grid, and A its mean self-attention, which spreads the
        map to similar positions.

        Source: as in DiffSegmenter, Wang et al. 2023, arXiv:2309.02773.
        """
        # Another thread may read at the same time, so `steps` grows only after the views.
        for name, view in frame.views.items():
            self.views[name].append(view)
        # Everything kept is a copy: a compiled graph may overwrite its outputs in the next call, and a view
        # of one row would keep the whole batch in memory.
        means = frame.means()
        if "refined" in self.views:
            refined = {grid: _mixed(means[grid], frame, grid) for grid in frame.mixing if grid in means}
            self.views["refined"].append(Frame(grids=refined, num_sites=dict.fromkeys(refined, 1)))
        if frame.queries is not None:
            self.queries[len(self.steps)] = {site: q.clone() for site, q in frame.queries.items()}
        self.steps.append({grid: _history(mean) for grid, mean in means.items()})
        _add(self.totals, means)
        if self.extras.steps:
            self.site_steps.append({site: _history(maps) for site, maps in frame.sites.items()})
        _add(self.sums, frame.sites)

    def repeat(self) -> None:
        """Repeats the maps of the previous prediction, whose features the next one reuses.

        Means over all predictions still count only those with attention of their own.
        """
        for view in self.views.values():
            view.repeat()
        self.num_repeated += 1
        self.steps.append(self.steps[-1])
        if self.site_steps:
            self.site_steps.append(self.site_steps[-1])

    @property
    def num_own(self) -> int:
        """How many predictions computed attention of their own."""
        return len(self.steps) - self.num_repeated

    def grid(self, grid: Grid, steps: Sequence[int] | None = None) -> Float[Tensor, "m h w"]:
        """Mean over the predictions, or over some of them, of the sites of one grid.

        Raises:
            KeyError: no site has that grid.
        """
        if steps is None:
            return self.totals[grid] / self.num_own
        return torch.stack([self.steps[i][grid] for i in steps]).float().mean(0)

    def site(self, name: str, steps: Sequence[int] | None = None) -> Tensor:
        """Mean over the predictions, or over some of them, at one site: m h w, or heads m h w at `head`.

        Raises:
            KeyError: no such site was recorded.
        """
        if steps is None:
            return self.sums[name] / self.num_own
        return torch.stack([self.site_steps[i][name] for i in steps]).float().mean(0)


def _add(sums: dict[Any, Tensor], maps: Mapping[Any, Tensor]) -> None:
    for key, each in maps.items():
        sums[key] = sums[key] + each if key in sums else each.contiguous().clone()


def _history(maps: Tensor) -> Tensor:
    return maps.to(HISTORY, memory_format=torch.contiguous_format)


def _mixed(mean: Float[Tensor, "m h w"], frame: Frame, grid: Grid) -> Float[Tensor, "m h w"]:
    weights = frame.mixing[grid] / frame.num_mixing[grid]  # n n
    return (mean.flatten(1) @ weights.mT).unflatten(-1, grid)
