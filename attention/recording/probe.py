"""Records maps with gradients, and ends the call as soon as they are complete."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recording import Grid
from limelight.attention.runtime import RowByRow
from limelight.errors import LimelightError


class Probed(LimelightError):
    """The last site has been recorded, so the rest of the call is not needed."""


class ProbeRecorder:
    """Keeps the probabilities of some cross-attention sites, as means over heads, with their gradients.

    Steering is not included.

    Args:
        sites: the sites in the order in which they run.

    Attributes:
        maps: site -> the probabilities of each row, n m.
    """

    def __init__(self, sites: Sequence[str]) -> None:
        self._sites = sites
        self.maps: dict[str, list[Float[Tensor, "n m"]]] = {}

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
        """Keeps the probabilities of a site. Raises Probed at the last one."""
        if site not in self._sites:
            return
        pairs = zip(q, k, strict=True)
        self.maps[site] = [probabilities(own, keys, scale=scale).mean(0) for own, keys in pairs]
        if site == self._sites[-1]:
            raise Probed

    def record_self(
        self,
        site: str,
        q: Float[Tensor, "b h n d"],
        k: Float[Tensor, "b hk n d"],
        *,
        scale: float,
        grid: Grid,
    ) -> None:
        """Ignores self-attention."""
