"""Computes how much memory recordings take, and refuses those that would not fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from limelight.attention.recording.recording import (
    HISTORY,
    MAX_REFINED_POSITIONS,
    PLAIN,
    Extras,
    Grid,
    Level,
    Recording,
)
from limelight.errors import UsageError

MAX_BYTES = 2**29
SUM = torch.float32.itemsize


class RecordingTooLarge(UsageError):
    """A recording would take too much memory; the message gives the estimate and what would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSize:
    """The sizes of an attention site that a recording depends on.

    Attributes:
        query_bytes: bytes of each number of its queries.
    """

    kind: Literal["self", "cross"]
    num_heads: int
    head_dim: int
    grid: Grid
    query_bytes: int = 4

    @property
    def num_positions(self) -> int:
        return self.grid[0] * self.grid[1]


def recorded_bytes(
    level: Level,
    sites: Mapping[str, SiteSize],
    num_tokens: int,
    num_steps: int,
    extras: Extras = PLAIN,
) -> int:
    """Memory that a finished recording holds.

    Args:
        sites: the attention sites by name.
        num_steps: number of predictions; second-order schedulers make up to two per step.
    """
    cross = [site for site in sites.values() if site.kind == "cross"]
    own = [site for site in sites.values() if site.kind == "self"]
    total = _maps(level, cross, num_tokens, num_steps, extras.steps)
    if extras.values:
        total += _maps("grid" if level == "grid" else "site", cross, num_tokens, num_steps, extras.steps)
    if extras.points:
        total += _maps("site", own, len(extras.points), num_steps, extras.steps)
    if extras.refined:
        small = {site.grid for site in own if site.num_positions <= MAX_REFINED_POSITIONS}
        total += _maps("grid", [site for site in cross if site.grid in small], num_tokens, num_steps, False)
    if extras.heads:
        chosen = dict(extras.heads)
        wanted = [site for name, site in sites.items() if name in chosen]
        total += _maps("grid", wanted, num_tokens, num_steps, False)
    queries = sum(site.num_positions * site.num_heads * site.head_dim * site.query_bytes for site in cross)
    return total + queries * len(extras.queries)


def _maps(level: Level, sites: Sequence[SiteSize], num_tokens: int, num_steps: int, has_steps: bool) -> int:
    grids = {site.grid: site.num_positions for site in sites}
    total = sum(grids.values()) * (SUM + num_steps * HISTORY.itemsize)
    if level != "grid":
        numbers = sum(site.num_positions * (site.num_heads if level == "head" else 1) for site in sites)
        total += numbers * (SUM + num_steps * has_steps * HISTORY.itemsize)
    return total * num_tokens


def check_recordings(
    recordings: Sequence[Recording],
    sites: Mapping[str, SiteSize],
    num_steps: int,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Refuses, before the first step, recordings of one picture that together would not fit into `max_bytes`.

    Args:
        sites: as in `recorded_bytes`.

    Raises:
        RecordingTooLarge: they would not fit.
    """

    def size(level: Level | None = None, bare: bool = False) -> int:
        return sum(
            recorded_bytes(
                level or one.level,
                sites,
                one.num_tokens,
                num_steps,
                _bare(one.extras) if bare else one.extras,
            )
            for one in recordings
        )

    if not recordings or size() <= max_bytes:
        return
    level, levels = recordings[0].level, get_args(Level)
    num_cross = sum(site.kind == "cross" for site in sites.values())
    remedies = [(repr(each), size(each)) for each in reversed(levels[: levels.index(level)])]
    if any(one.extras != _bare(one.extras) for one in recordings):
        remedies += [(f"{each!r} without extras", size(each, bare=True)) for each in reversed(levels)]
    fits = next((f"{name} takes {_mib(need)}" for name, need in remedies if need <= max_bytes), None)
    raise RecordingTooLarge(
        f"recording {level!r}{_extras(recordings)} for {num_cross} sites, "
        f"{sum(one.num_tokens for one in recordings)} tokens and {num_steps} steps takes {_mib(size())}; "
        f"at most {_mib(max_bytes)} ({fits or 'take fewer steps or a smaller picture'})"
    )


def _bare(extras: Extras) -> Extras:
    """These extras without those that take memory."""
    return Extras(heads=extras.heads)


def _extras(recordings: Sequence[Recording]) -> str:
    named = [name for name in ("steps", "values", "refined") if getattr(recordings[-1].extras, name)]
    for name in ("points", "queries"):
        if many := len(getattr(recordings[-1].extras, name)):
            named.append(f"{name} ({many})")
    return f" with {', '.join(named)}" if named else ""


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"
