"""Records attention probabilities while a picture is made, whatever the backends.

Probabilities are recomputed from q and k in float32, so recording works the same on every backend and never
changes the picture. Cost: one `h n m` product per cross-attention site and recorded row, with m = 77 tokens.
A backend may compute the means over heads instead, if its output has the same bits with and without them.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.contributions import contribution_norms
from limelight.attention.recording.effective import effective, effective_self
from limelight.attention.recording.recording import MAX_REFINED_POSITIONS, Grid, Point, Recording
from limelight.attention.runtime import RowByRow
from limelight.attention.steering import Steerings


class RowRecorder:
    """Records one U-Net call, whose rows belong to different recordings or to none.

    Nothing enters a recording until `commit`, so a call that fails leaves no trace.

    Args:
        rows: for each row of the batch, its recording or None.
        steering: for each row, its steering; effective probabilities are recorded. Empty steers no row.

    Attributes:
        takes_means: whether it needs only means over heads of cross-attention.
        takes_self: whether it needs self-attention.
        takes_queries: whether it keeps queries.
    """

    def __init__(self, rows: Sequence[Recording | None], steering: Steerings = ()) -> None:
        self._steering = steering or [None] * len(rows)
        self.frames = [None if recording is None else recording.frame() for recording in rows]
        self._rows = [
            (row, recording, frame)
            for row, (recording, frame) in enumerate(zip(rows, self.frames, strict=True))
            if recording is not None and frame is not None
        ]
        self.takes_means = all(
            recording.level != "head" and not (recording.extras.values or recording.extras.heads)
            for _, recording, _ in self._rows
        )
        extras = [recording.extras for _, recording, _ in self._rows]
        self.takes_self = any(each.refined or each.points for each in extras)
        self.takes_queries = any(frame.queries is not None for _, _, frame in self._rows)

    def record(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: RowByRow,
        v: RowByRow,
        *,
        scale: float,
        grid: Grid,
        out_weight: Float[Tensor, "c hd"],
    ) -> None:
        self._check(site, q)
        for row, recording, frame in self._rows:
            heads = effective(self._steering, row, site, q, k, scale=scale, grid=grid)  # h n m
            _check_tokens(site, row, recording, heads)
            mean = heads.mean(0)
            frame.add(site, grid, mean, {"grid": None, "site": mean, "head": heads}[recording.level])
            frame.choose(site, grid, heads, recording.extras)
            if "values" in frame.views:
                norms = contribution_norms(heads, v[row].detach(), out_weight.detach())
                kept = None if recording.level == "grid" else norms
                # Layers differ in scale: each is normalized before it enters the mean of its grid.
                frame.views["values"].add(site, grid, norms / norms.sum(-1, keepdim=True), kept)
            if frame.queries is not None:
                frame.queries[site] = q[row].detach()

    def record_means(
        self, site: str, q: Float[Tensor, "b h n d"], means: Sequence[Float[Tensor, "n _"]], *, grid: Grid
    ) -> None:
        self._check(site, q)
        for row, recording, frame in self._rows:
            mean = means[row].detach()
            _check_tokens(site, row, recording, mean)
            frame.add(site, grid, mean, None if recording.level == "grid" else mean)
            if frame.queries is not None:
                frame.queries[site] = q[row].detach()

    def record_self(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk n d"],
        *,
        scale: float,
        grid: Grid,
    ) -> None:
        self._check(site, q)
        num_positions = grid[0] * grid[1]
        for row, recording, frame in self._rows:
            if "points" in frame.views:
                at = positions(recording.extras.points, grid)
                heads = effective_self(self._steering, row, site, q, k, scale=scale, at=at)
                of_points = heads.mean(0).mT  # n points
                # Grids differ in size: probabilities become densities, which are 1 where attention is
                # uniform.
                frame.views["points"].add(site, grid, of_points * num_positions, of_points)
            if recording.extras.refined and num_positions <= MAX_REFINED_POSITIONS:
                heads = effective_self(self._steering, row, site, q, k, scale=scale)
                frame.mix(grid, heads.mean(0))

    def commit(self, rows: Sequence[bool] | None = None) -> None:
        """Appends every row's frame to its recording; with `rows`, only where `rows` is true."""
        for row, recording, frame in self._rows:
            if rows is None or rows[row]:
                recording.append(frame)

    def _check(self, site: str, q: Tensor) -> None:
        if len(q) != len(self.frames):
            raise ValueError(
                f"{site}: the call has {len(q)} rows; the recorder was made for {len(self.frames)}"
            )


class RepeatingRecorder:
    """Records nothing new. It serves calls that reuse the features, and so the attention, of an earlier call.

    Args:
        rows: as for `RowRecorder`.
    """

    def __init__(self, rows: Sequence[Recording | None]) -> None:
        self._rows = rows

    def commit(self, rows: Sequence[bool] | None = None) -> None:
        """As `RowRecorder.commit`."""
        for row, recording in enumerate(self._rows):
            if recording is not None and (rows is None or rows[row]):
                recording.repeat()


def _check_tokens(site: str, row: int, recording: Recording, maps: Tensor) -> None:
    if maps.shape[-1] != recording.num_tokens:
        raise ValueError(
            f"{site}: row {row} has {maps.shape[-1]} keys; its recording is of {recording.num_tokens} tokens"
        )


def positions(points: Sequence[Point], grid: Grid) -> list[int]:
    """The row-major position in a grid that each point lies in."""
    height, width = grid
    return [min(int(y * height), height - 1) * width + min(int(x * width), width - 1) for x, y in points]
