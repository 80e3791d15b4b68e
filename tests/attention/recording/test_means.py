"""Maps that a backend computes with its output equal those computed from q and k."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, KeysValues, RowGroup, get
from limelight.attention.caches.contexts import PagedContexts
from limelight.attention.context import Pages
from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Level, Recording

GRID = (3, 4)
WEIGHT = torch.randn(6, 32, generator=torch.Generator().manual_seed(9))


def cross(q: Tensor, keys: KeysValues | Pages, *, scale: float, mapped: bool) -> tuple[Tensor, Tensor | None]:
    """Computes as a backend with paged keys does."""
    assert isinstance(keys, Pages)
    k, v = (x[keys.blocks].flatten(1, 2)[:, : keys.length].transpose(1, 2) for x in (keys.k, keys.v))
    heads = torch.stack([probabilities(*row, scale=scale) for row in zip(q, k, strict=True)])
    out = heads @ v.repeat_interleave(q.shape[1] // v.shape[1], 1)
    return out, heads.mean(1) if mapped else None


BACKEND = replace(get("math"), name="maps", cross=cross)


def piece(seed: int) -> dict[str, KeysValues]:
    random = torch.Generator().manual_seed(seed)
    return {"a.attn2": (torch.randn(1, 2, 5, 8, generator=random), torch.randn(1, 2, 5, 8, generator=random))}


def attended(
    recordings: list[Recording | None], chunks: list[list[int]], *, listens: bool = True
) -> tuple[Tensor, bool]:
    """One call, and whether the recorder accepted the means."""
    q = torch.randn(len(chunks), 4, 12, 8, generator=torch.Generator().manual_seed(1))
    recorder = RowRecorder(recordings)
    with PagedContexts(max_bytes=2**24).rows(
        [[(n, partial(piece, n)) for n in row] for row in chunks]
    ) as groups:
        means = recorder if listens and recorder.takes_means else None
        runtime = AttentionRuntime({"a.attn2": BACKEND}, recorder, groups, means)
        out = runtime.attend_cross("a.attn2", q, groups, scale=0.5, grid=GRID, out_weight=WEIGHT)
    recorder.commit()
    return out, means is not None


@pytest.mark.parametrize("chunks", [[[1], [2], [3]], [[1, 2], [3], [2, 3]]], ids=["equal", "unequal"])
@pytest.mark.parametrize("level", ["grid", "site"])
def test_means_of_the_backend_are_those_of_q_and_k(level: Level, chunks: list[list[int]]) -> None:
    def recordings() -> list[Recording | None]:
        return [None, *(Recording(level, 5 * len(row), Extras(queries=(0,))) for row in chunks[1:])]

    one, other = recordings(), recordings()
    (out, took), (again, took_none) = attended(one, chunks), attended(other, chunks, listens=False)
    assert (took, took_none) == (True, False)
    assert torch.equal(out, again)
    for a, b in zip(one[1:], other[1:], strict=True):
        assert a is not None
        assert b is not None
        torch.testing.assert_close(a.grid(GRID), b.grid(GRID), atol=1e-6, rtol=0)
        assert a.sums.keys() == b.sums.keys() == ({"a.attn2"} if level == "site" else set())
        for site in a.sums:
            torch.testing.assert_close(a.site(site), b.site(site), atol=1e-6, rtol=0)
        assert torch.equal(a.queries[0]["a.attn2"], b.queries[0]["a.attn2"])


@pytest.mark.parametrize("recording", [Recording("head", 5), Recording("grid", 5, Extras(values=True))])
def test_recordings_beyond_means_are_computed_from_q_and_k(recording: Recording) -> None:
    _, took = attended([recording, Recording("grid", 5)], [[1], [2]])
    assert not took
    assert len(recording.steps) == 1


def test_a_recording_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a\.attn2: row 1 has 5 keys; its recording is of 7 tokens$"):
        attended([None, Recording("grid", 7)], [[1], [2]])


def test_keys_that_do_not_lie_in_pages_are_read_as_they_are() -> None:
    seen = []

    def watch(q: Tensor, keys: KeysValues | Pages, *, scale: float, mapped: bool) -> tuple[Tensor, None]:
        seen.append(keys)
        return q, None

    k, v = piece(1)["a.attn2"]
    group = RowGroup(lambda site: (k, v))
    runtime = AttentionRuntime({"a.attn2": replace(BACKEND, cross=watch)})
    q = torch.randn(1, 4, 12, 8)
    runtime.attend_cross("a.attn2", q, (group,), scale=0.5, grid=GRID, out_weight=WEIGHT)
    assert seen[0][0] is k
