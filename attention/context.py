"""Keys and values of contexts, computed before the calls that read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

KeysValues = tuple[Float[Tensor, "b hk m d"], Float[Tensor, "b hk m d"]]


@dataclass(frozen=True, slots=True)
class Pages:
    """Keys and values that lie in blocks of a pool, num_blocks block hk d.

    Args:
        blocks: in which blocks those of each row lie, in order.
        length: how many keys a row has.
    """

    k: Float[Tensor, "p s hk d"]
    v: Float[Tensor, "p s hk d"]
    blocks: Int[Tensor, "b blocks"]
    length: int

    def shaped(self, batch: int) -> KeysValues:
        """Tensors that look as `batch` rows of them would, without their numbers."""
        k, v = (x[:1, :1].transpose(1, 2).expand(batch, -1, self.length, -1) for x in (self.k, self.v))
        return k, v


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows of a batch whose contexts are equally long, with their keys and values at every site.

    Args:
        at: site -> keys and values of these rows, in their order.
        rows: which they are; None for all of the batch, in order.
        pages: site -> where keys and values lie, for backends that read them there; None where they do not
            lie in pages.
    """

    at: Callable[[str], KeysValues]
    rows: Int[Tensor, " g"] | None = None
    pages: Callable[[str], Pages] | None = None


ContextRows = Sequence[RowGroup]  # together every row of a batch, each once


def split_rows(
    groups: ContextRows, site: str
) -> tuple[list[Float[Tensor, "hk _ d"]], list[Float[Tensor, "hk _ d"]]]:
    """Keys and values at a site, row by row in the order of the batch."""
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for group in groups:
        k, v = group.at(site)
        rows = range(len(k)) if group.rows is None else group.rows.tolist()
        found.update(zip(rows, zip(k, v, strict=True), strict=True))
    return [found[row][0] for row in range(len(found))], [found[row][1] for row in range(len(found))]
