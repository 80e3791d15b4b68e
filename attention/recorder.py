"""Keeps where cross-attention looked while a picture is made, without a backend's help.

Probabilities are recomputed from q and k in float32, so recording works the same on every backend and never
changes the picture. Cost: one `h n m` product per site and recorded row, with m = 77 tokens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

Level = Literal["grid", "site", "head"]  # each keeps what the one before keeps, and more
Grid = tuple[int, int]  # height, width in positions
BYTES = torch.float32.itemsize
MAX_BYTES = 2**29


class RecordingTooLarge(ValueError):
    """A recording would take too much memory; the message gives the estimate and a level that fits."""


@dataclass(slots=True)
class Frame:
    """What one prediction of one row recorded; probabilities over the tokens sum to 1 at every position.

    Attributes:
        grids: grid -> sum over its sites of the mean over heads, m h w.
        num_sites: grid -> how many sites that is.
        sites: site -> mean over heads, m h w (level `site`), or every head, heads m h w (level `head`).
    """

    grids: dict[Grid, Tensor] = field(default_factory=dict)
    num_sites: dict[Grid, int] = field(default_factory=dict)
    sites: dict[str, Tensor] = field(default_factory=dict)


class Recording:
    """The maps of one prompt over the predictions of one picture.

    Every level keeps the mean over sites and heads per grid, for each prediction; `site` and `head` keep, in
    addition, a running sum over the predictions for each site.

    Args:
        level: how much to keep.
        num_tokens: length of the prompt's context; a longer one holds it several times over.
    """

    def __init__(self, level: Level, num_tokens: int) -> None:
        self.level = level
        self.num_tokens = num_tokens
        self.steps: list[dict[Grid, Float[Tensor, "m h w"]]] = []
        self.sums: dict[str, Tensor] = {}

    def append(self, frame: Frame) -> None:
        """Takes the next prediction's frame."""
        self.steps.append({grid: total / frame.num_sites[grid] for grid, total in frame.grids.items()})
        for site, maps in frame.sites.items():
            self.sums[site] = self.sums[site] + maps if site in self.sums else maps

    def site(self, name: str) -> Tensor:
        """Mean over the predictions at one site: m h w, or heads m h w at level `head`.

        Raises:
            KeyError: no such site was recorded.
        """
        return self.sums[name] / len(self.steps)


class RowRecorder:
    """Listens to one U-Net call, whose rows belong to different recordings or to none.

    Nothing enters a recording until `commit`, so a call that fails leaves no trace.

    Args:
        rows: for each row of the batch, the recording it belongs to.
    """

    def __init__(self, rows: Sequence[Recording | None]) -> None:
        self.frames = [None if recording is None else Frame() for recording in rows]
        self._recordings = list(rows)

    def record(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk m d"],
        *,
        scale: float,
        grid: Grid,
    ) -> None:
        if len(q) != len(self.frames):
            raise ValueError(
                f"{site}: the call has {len(q)} rows; the recorder was made for {len(self.frames)}"
            )
        for row, (frame, recording) in enumerate(zip(self.frames, self._recordings, strict=True)):
            if frame is None or recording is None:
                continue
            heads = probabilities(q[row].detach(), k[row].detach(), scale=scale)  # h n m
            heads = heads.unflatten(-1, (-1, recording.num_tokens)).sum(-2)  # copies of the context, together
            maps = heads.mT.unflatten(-1, grid)  # h m (height width) -> h m height width
            mean = maps.mean(0)
            frame.grids[grid] = frame.grids[grid] + mean if grid in frame.grids else mean
            frame.num_sites[grid] = frame.num_sites.get(grid, 0) + 1
            if recording.level != "grid":
                frame.sites[site] = maps if recording.level == "head" else mean

    @property
    def is_needed(self) -> bool:
        """Whether any row is recorded."""
        return any(frame is not None for frame in self.frames)

    def commit(self, rows: Sequence[bool] | None = None) -> None:
        """Hands every row's frame to its recording; with `rows`, of those rows alone that are true."""
        keep = [True] * len(self.frames) if rows is None else rows
        for frame, recording, kept in zip(self.frames, self._recordings, keep, strict=True):
            if frame is not None and recording is not None and kept:
                recording.append(frame)


def probabilities(
    q: Float[Tensor, "h n d"], k: Float[Tensor, "hk m d"], *, scale: float
) -> Float[Tensor, "h n m"]:
    """softmax(scale * q kT) in float32, also under autocast."""
    k = k.float().repeat_interleave(q.shape[0] // k.shape[0], dim=0)
    with torch.autocast(q.device.type, enabled=False):
        return (q.float() @ k.mT * scale).softmax(dim=-1)


def recorded_bytes(
    level: Level, sites: Mapping[str, tuple[int, Grid]], num_tokens: int, num_steps: int
) -> int:
    """Memory that a finished recording holds.

    Args:
        sites: cross-attention site -> number of heads, grid.
    """
    positions = {grid: grid[0] * grid[1] for _, grid in sites.values()}
    total = num_steps * sum(positions.values())
    if level != "grid":
        copies = {site: heads if level == "head" else 1 for site, (heads, _) in sites.items()}
        total += sum(copies[site] * positions[grid] for site, (_, grid) in sites.items())
    return total * num_tokens * BYTES


def check_recording(
    level: Level,
    sites: Mapping[str, tuple[int, Grid]],
    num_tokens: int,
    num_steps: int,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Refuses, before the first step, a recording that would not fit into `max_bytes`.

    Args:
        sites: as in `recorded_bytes`.

    Raises:
        RecordingTooLarge: it would not.
    """
    sizes = {each: recorded_bytes(each, sites, num_tokens, num_steps) for each in get_args(Level)}
    if sizes[level] <= max_bytes:
        return
    fits = [each for each, size in sizes.items() if size <= max_bytes]
    remedy = (
        f"{fits[-1]!r} takes {_mib(sizes[fits[-1]])}" if fits else "take fewer steps or a smaller picture"
    )
    raise RecordingTooLarge(
        f"recording {level!r} for {len(sites)} sites, {num_tokens} tokens and {num_steps} steps takes "
        f"{_mib(sizes[level])}; at most {_mib(max_bytes)} ({remedy})"
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
