import pytest
import torch

from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Extras, Recording
from limelight.attention.recording.size import RecordingTooLarge, SiteSize, check_recordings, recorded_bytes

GRIDS = {"a": (3, 4), "b": (3, 4), "c": (2, 6)}
EXTRAS = {
    "none": Extras(),
    "steps": Extras(steps=True),
    "values": Extras(values=True, steps=True),
    "refined": Extras(refined=True),
    "points": Extras(points=((0.1, 0.1), (0.5, 0.9)), steps=True),
    "queries": Extras(queries=(0, 2)),
}


def sizes(grids: dict[str, tuple[int, int]], heads: int = 2) -> dict[str, SiteSize]:
    return {
        f"{site}.{kind}": SiteSize(kind=kind, num_heads=heads, head_dim=8, grid=grid)
        for site, grid in grids.items()
        for kind in ("self", "cross")
    }


def held(recording: Recording) -> int:
    kept = [t for step in [*recording.steps, *recording.site_steps] for t in step.values()]
    kept += [
        *recording.totals.values(),
        *recording.sums.values(),
        *(t for step in recording.queries.values() for t in step.values()),
    ]
    own = sum(t.numel() * t.element_size() for t in kept)
    return own + sum(held(view) for view in recording.views.values())


@pytest.mark.parametrize("extras", EXTRAS.values(), ids=EXTRAS)
@pytest.mark.parametrize("level", ["grid", "site", "head"])
def test_the_estimate_equals_the_size_of_a_recording(level: str, extras: Extras) -> None:
    recording, generator = Recording(level, 5, extras), torch.Generator().manual_seed(0)
    for _ in range(3):
        recorder = RowRecorder([recording])
        for site, grid in GRIDS.items():
            q, own = (torch.randn(1, 2, 12, 8, generator=generator) for _ in range(2))
            k = torch.randn(1, 2, 5, 8, generator=generator)
            recorder.record_self(f"{site}.self", q, own, scale=0.5, grid=grid)
            recorder.record(f"{site}.cross", q, k, k, scale=0.5, grid=grid, out_weight=torch.ones(16, 16))
        recorder.commit()
    assert held(recording) == recorded_bytes(level, sizes(GRIDS), 5, 3, extras)


def test_the_grid_level_takes_less_than_a_mebibyte_a_step_at_sdxls_size() -> None:
    grids = {f"{side}.{i}": (side, side) for side, count in ((64, 10), (32, 60)) for i in range(count)}
    one, fifty = (recorded_bytes("grid", sizes(grids, heads=20), 77, steps) for steps in (1, 50))
    assert (fifty - one) / 49 <= 0.76 * 2**20
    assert one <= 2.3 * 2**20  # the sums, once a picture


def test_a_recording_that_would_not_fit_is_refused_with_its_size_and_the_level_that_fits() -> None:
    sites = {
        f"{i}": SiteSize(kind="cross", num_heads=8, head_dim=8, grid=(512, 512)) for i in range(2)
    }  # a map of one token takes half a mebibyte in the history, one in a sum
    levels = [recorded_bytes(level, sites, 1, 4) // 2**20 for level in ("grid", "site", "head")]
    assert levels == [3, 3 + 2, 3 + 2 * 8]
    check_recordings([Recording("head", 1)], sites, 4, max_bytes=19 * 2**20)
    with pytest.raises(RecordingTooLarge) as refusal:
        check_recordings([Recording("head", 1)], sites, 4, max_bytes=18 * 2**20)
    assert str(refusal.value) == (
        "recording 'head' for 2 sites, 1 tokens and 4 steps takes 19 MiB; at most 18 MiB ('site' takes 5 MiB)"
    )
    with pytest.raises(
        RecordingTooLarge, match=r"takes 3 MiB; at most 2 MiB \(take fewer steps or a smaller"
    ):
        check_recordings([Recording("grid", 1)], sites, 4, max_bytes=2 * 2**20)
    both = [Recording("grid", 1), Recording("grid", 1)]
    with pytest.raises(RecordingTooLarge, match=r"2 tokens and 4 steps takes 6 MiB"):
        check_recordings(both, sites, 4, max_bytes=5 * 2**20)


def test_extras_are_named_and_counted() -> None:
    sites = {"a": SiteSize(kind="cross", num_heads=8, head_dim=8, grid=(512, 512))}
    kept = Recording("grid", 1, Extras(values=True, queries=(0, 1)))
    with pytest.raises(RecordingTooLarge) as refusal:
        check_recordings([kept], sites, 4, max_bytes=20 * 2**20)
    assert str(refusal.value) == (
        "recording 'grid' with values, queries (2) for 1 sites, 1 tokens and 4 steps takes 134 MiB; "
        "at most 20 MiB ('head' without extras takes 11 MiB)"
    )
