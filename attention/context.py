"""Keys and values of contexts, computed before the calls that read them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

KeysValues = tuple[Float[Tensor, "b hk m d"], Float[Tensor, "b hk m d"]]


@dataclass(frozen=True, slots=True)
class Pages:
    """Keys and values that lie in blocks of a pool, num_blocks block hk d.

    Args:
        blocks: the blocks of each row, in order.
        length: how many keys a row has.
    """

    k: Float[Tensor, "p s hk d"]
    v: Float[Tensor, "p s hk d"]
    blocks: Int[Tensor, "b blocks"]
    length: int

    def shaped(self, batch: int) -> KeysValues:
        """Tensors with the shape, dtype and device of `batch` rows, with arbitrary values."""
        k, v = (x[:1, :1].transpose(1, 2).expand(batch, -1, self.length, -1) for x in (self.k, self.v))
        return k, v


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows of a batch whose contexts are equally long, with their keys and values at every site.

    Args:
        at: site -> keys and values of these rows, in their order.
        rows: the indices of the rows; None for the whole batch, in order.
        pages: site -> the pages of keys and values, for backends that read pages; None if they are in none.
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


def parted(
    groups: ContextRows, is_apart: Sequence[bool]
) -> tuple[list[RowGroup], list[tuple[int, Callable[[str], KeysValues]]]]:
    """The groups without the rows set apart, and those rows one by one with their keys and values at a site.

    Args:
        is_apart: for each row of the batch, whether it is set apart.
    """
    others: list[RowGroup] = []
    apart: list[tuple[int, Callable[[str], KeysValues]]] = []
    for group in groups:
        rows = list(range(len(is_apart))) if group.rows is None else group.rows.tolist()
        apart += [(row, partial(_one, group, i)) for i, row in enumerate(rows) if is_apart[row]]
        if kept := [i for i, row in enumerate(rows) if not is_apart[row]]:
            others.append(_part(group, kept, [rows[i] for i in kept]))
    return others, apart


def one_row(groups: ContextRows, row: int) -> Callable[[str], KeysValues]:
    """Keys and values of one row of the batch at a site."""
    for group in groups:
        rows = None if group.rows is None else group.rows.tolist()
        if rows is None or row in rows:
            return partial(_one, group, row if rows is None else rows.index(row))
    raise ValueError(f"row {row} is in none of the groups")


def _one(group: RowGroup, i: int, site: str) -> KeysValues:
    k, v = group.at(site)
    return k[i : i + 1], v[i : i + 1]


def _part(group: RowGroup, kept: list[int], rows: list[int]) -> RowGroup:
    first, last = kept[0], kept[-1]
    # A slice copies nothing.
    some = slice(first, last + 1) if len(kept) == last + 1 - first else kept

    def at(site: str) -> KeysValues:
        k, v = group.at(site)
        return k[some], v[some]

    def pages(site: str) -> Pages:
        assert group.pages is not None  # otherwise nothing reads them
        every = group.pages(site)
        return replace(every, blocks=every.blocks[kept])

    return RowGroup(at, torch.tensor(rows), None if group.pages is None else pages)
