"""Maps with their gradients, of a call that ends once they are there."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recording import Grid
from limelight.attention.runtime import RowByRow


class Probed(Exception):
    """The last site has been seen: nothing that comes behind it is needed."""


class ProbeRecorder:
    """Keeps the probabilities of some cross-attention sites, mean over their heads, as they are computed:
    without what steers them, and with what leads back to the model's input.

    Args:
        sites: in the order in which they run.

    Attributes:
        maps: site -> of each row, its probabilities, n m.
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
        """Raises Probed at the last site."""
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
        """Self-attention is not asked."""
