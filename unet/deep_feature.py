"""What the U-Net may take from an earlier call instead of computing it anew."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(slots=True)
class DeepFeature:
    """What goes into the last layer of the way up: of all that a U-Net computes, what changes least from one
    timestep to the next.

    A call that is given an empty one leaves its own here. One that finds a feature takes it, and computes
    `conv_in`, the last layer of the way up and the output alone: fast, and not what it would have predicted.

    Args:
        kept: None, until a call has left its own.

    Source: Ma et al. 2023, arXiv:2312.00858, with the shallowest of its branches.
    """

    kept: Float[Tensor, "b c h w"] | None = None

    def check(self, x: Tensor) -> None:
        """Raises ValueError where what is kept is not of as many rows, or not of the size of `x`, b c h w."""
        if self.kept is None:
            return
        kept, wanted = ((len(each), *each.shape[2:]) for each in (self.kept, x))
        if kept != wanted:
            raise ValueError(
                f"the deep feature has {kept[0]} rows of {kept[1]}x{kept[2]} and x {wanted[0]} of "
                f"{wanted[1]}x{wanted[2]}; give one that a call of the same rows and size has left"
            )
