"""Pages of contexts: shared by equal pieces, held while they are read, and within bounds."""

import threading
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from limelight.attention import KeysValues
from limelight.attention.caches import contexts
from limelight.attention.caches.contexts import FIRST_BLOCKS, PagedContexts

SIZES = {"a": (2, 3), "b": (1, 4)}  # site -> key heads, head dim
LENGTH = 5
PIECE_BYTES = 2 * 4 * LENGTH * (2 * 3 + 1 * 4)


def made(number: float, dtype: torch.dtype = torch.float32) -> Mapping[str, KeysValues]:
    ones = {site: torch.ones(1, h, LENGTH, d, dtype=dtype) for site, (h, d) in SIZES.items()}
    return {site: (number * one, -number * one) for site, one in ones.items()}


class Pieces:
    """Pieces by number, and how often each was made."""

    def __init__(self) -> None:
        self.made: list[int] = []

    def __call__(self, *numbers: int) -> list[tuple[int, object]]:
        return [(number, lambda number=number: self._make(number)) for number in numbers]

    def _make(self, number: int) -> Mapping[str, KeysValues]:
        self.made.append(number)
        return made(number)


def test_rows_read_their_pieces_in_order_and_share_them() -> None:
    pages, pieces = PagedContexts(max_bytes=2**20), Pieces()
    with pages.rows([pieces(1, 2), pieces(3), pieces(2, 1), pieces(2)]) as groups:
        assert pieces.made == [1, 2, 3]
        assert (len(pages), pages.num_held) == (3, 3)
        assert [group.rows.tolist() for group in groups if group.rows is not None] == [[0, 2], [1, 3]]
        for site, (h, d) in SIZES.items():
            k, v = groups[0].at(site)
            assert k.shape == v.shape == (2, h, 2 * LENGTH, d)
            assert torch.equal(k[:, 0, ::LENGTH, 0], torch.tensor([[1.0, 2.0], [2.0, 1.0]]))
            assert torch.equal(v, -k)
            assert torch.equal(groups[1].at(site)[0][:, 0, 0, 0], torch.tensor([3.0, 2.0]))
    assert pages.num_held == 0
    with pages.rows([pieces(3)]) as (group,):
        assert group.rows is None
    assert pieces.made == [1, 2, 3]


@torch.inference_mode()
def test_the_same_rows_are_gathered_once_until_a_block_is_written() -> None:
    pages, pieces = PagedContexts(max_bytes=FIRST_BLOCKS * PIECE_BYTES), Pieces()

    def gathered(*rows: int) -> Tensor:
        with pages.rows([pieces(row) for row in rows]) as (group,):
            return group.at("a")[0]

    first = gathered(1, 2)
    assert gathered(1, 2) is first
    assert gathered(2, 1)[:, 0, 0, 0].tolist() == [2, 1]
    assert gathered(1, 2)[:, 0, 0, 0].tolist() == [1, 2]
    for number in range(3, 3 + FIRST_BLOCKS):  # the others' blocks
        gathered(number)
    assert gathered(2, 1)[:, 0, 0, 0].tolist() == [2, 1]
    assert pieces.made == [1, 2, *range(3, 3 + FIRST_BLOCKS), 2, 1]


def test_pages_gathered_in_inference_mode_are_not_read_where_gradients_flow() -> None:
    pages, pieces = PagedContexts(max_bytes=2**20), Pieces()
    for is_inference in (True, False):
        with torch.inference_mode(is_inference), pages.rows([pieces(1)]) as (group,):
            assert group.at("a")[0].is_inference() is is_inference


@torch.inference_mode()
def test_large_contexts_are_gathered_in_each_call(monkeypatch) -> None:
    monkeypatch.setattr(contexts, "MOST_GATHERED", 2 * PIECE_BYTES)
    pages, pieces = PagedContexts(max_bytes=2**20), Pieces()
    for rows, is_kept in (((1, 2), True), ((1, 2, 3), False)):
        found = []
        for _ in range(2):
            with pages.rows([pieces(row) for row in rows]) as (group,):
                found.append(group.at("b")[0])
        assert (found[0] is found[1]) is is_kept
        assert torch.equal(*found)


def test_the_piece_used_longest_ago_makes_room() -> None:
    pages, pieces = PagedContexts(max_bytes=FIRST_BLOCKS * PIECE_BYTES), Pieces()
    for number in (0, 1, 2, 3, 0, 4, 0, 1):  # four have room
        with pages.rows([pieces(number)]) as (group,):
            assert group.at("a")[0].unique().tolist() == [number]
        assert pages.num_bytes <= FIRST_BLOCKS * PIECE_BYTES
    assert pieces.made == [0, 1, 2, 3, 4, 1]


def test_blocks_in_use_are_never_overwritten() -> None:
    pages, pieces = PagedContexts(max_bytes=1), Pieces()
    with pages.rows([pieces(1), pieces(2)]) as (held,):
        for number in range(3, 40):
            with pages.rows([pieces(number), pieces(1)]) as (group,):
                assert group.at("b")[0][:, 0, 0, 0].tolist() == [number, 1]
            assert held.at("b")[0][:, 0, 0, 0].tolist() == [1, 2]
    assert pages.num_bytes <= 2 * FIRST_BLOCKS * PIECE_BYTES
    pages.forget()
    assert (len(pages), pages.num_bytes) == (0, 0)


def test_forgetting_keeps_the_blocks_of_calls_in_flight() -> None:
    pages, pieces = PagedContexts(max_bytes=2**20), Pieces()
    with pages.rows([pieces(1)]) as (held,):
        pages.forget()
        with pages.rows([pieces(2)]) as (group,):
            assert group.at("a")[0].unique().tolist() == [2]
        with pages.rows([[("double", lambda: made(7, torch.float64))]]) as (group,):  # new pools
            assert group.at("a")[0].dtype == torch.float64
        assert held.at("a")[0].unique().tolist() == [1]


def test_a_piece_that_cannot_be_made_leaves_nothing_held() -> None:
    pages, pieces = PagedContexts(max_bytes=2**20), Pieces()

    def fails() -> Mapping[str, KeysValues]:
        raise MemoryError

    with pytest.raises(MemoryError), pages.rows([pieces(1), [(2, fails)]]):
        pass
    assert (len(pages), pages.num_held) == (1, 0)


def test_threads_read_their_own_pieces() -> None:
    pages, wrong = PagedContexts(max_bytes=6 * PIECE_BYTES), []

    def work(seed: int) -> None:
        random = torch.Generator().manual_seed(seed)
        pieces = Pieces()
        for _ in range(200):
            numbers = torch.randint(1, 30, (3,), generator=random).tolist()
            with pages.rows([pieces(number) for number in numbers]) as (group,):
                if group.at("a")[0][:, 0, 0, 0].tolist() != numbers:
                    wrong.append(numbers)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pages.num_held == 0
