"""Self-attention of the points in a request."""

from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.recording import Point, Recording
from limelight.pipeline.maps.selection import NoSuchMap


def point_index(recording: Recording, size: tuple[int, int], x: int, y: int) -> int:
    """The index of pixel (x, y) among the recorded points.

    Raises:
        NoSuchMap: it is not recorded.
    """
    height, width = size
    points = [(int(px * width), int(py * height)) for px, py in recording.extras.points]
    if not points:
        raise NoSuchMap("no points were recorded; they need record_points=((x, y), ...)")
    if (x, y) not in points:
        names = ", ".join(map(str, points))
        raise NoSuchMap(f"self-attention of the point ({x}, {y}) is not recorded; that of {names} is")
    return points.index((x, y))


def point_maps(recording: Recording) -> dict[Point, Float[Tensor, "h w"]]:
    """Point, as fractions of width and height -> its self-attention on the finest grid; each map sums to
    1."""
    view = recording.views.get("points")
    if view is None or not view.steps:
        return {}
    maps = view.grid(max(view.totals)).float().cpu()
    maps = maps / maps.sum((-2, -1), keepdim=True).clamp(min=1e-30)
    return dict(zip(recording.extras.points, maps, strict=True))
