import pytest
import torch

from attention.recorder import (
    Recording,
    RecordingTooLarge,
    RowRecorder,
    check_recording,
    probabilities,
    recorded_bytes,
)

GRID = (3, 4)


def tensors(
    rows: int = 1, heads: int = 2, tokens: int = 5, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(rows, heads, 12, 8, generator=generator)
    return q, torch.randn(rows, heads, tokens, 8, generator=generator)


def recorded(recording: Recording, q: torch.Tensor, k: torch.Tensor, site: str = "a.attn2") -> Recording:
    recorder = RowRecorder([recording])
    recorder.record(site, q, k, scale=0.5, grid=GRID)
    recorder.commit()
    return recording


def test_probabilities_are_the_definition() -> None:
    q, k = (x[0].double() for x in tensors())
    expected = (torch.einsum("hnd,hmd->hnm", q, k) * 0.5).exp()
    expected /= expected.sum(-1, keepdim=True)
    torch.testing.assert_close(probabilities(q, k, scale=0.5).double(), expected, atol=1e-6, rtol=0)


def test_fewer_key_heads_are_shared() -> None:
    q, k = (x[0] for x in tensors(heads=4))
    grouped = probabilities(q, k[:2], scale=1.0)
    assert torch.equal(grouped, probabilities(q, k[:2].repeat_interleave(2, 0), scale=1.0))


@pytest.mark.parametrize("level", ["grid", "site", "head"])
def test_a_map_is_the_mean_over_heads_with_tokens_first_and_sums_to_one(level: str) -> None:
    q, k = tensors()
    recording = recorded(Recording(level, 5), q, k)
    (step,) = recording.steps
    expected = probabilities(q[0], k[0], scale=0.5).mean(0).T.reshape(5, *GRID)
    torch.testing.assert_close(step[GRID], expected)
    torch.testing.assert_close(step[GRID].sum(0), torch.ones(GRID))


def test_levels_keep_sites_and_heads() -> None:
    q, k = tensors()
    assert recorded(Recording("grid", 5), q, k).sums == {}
    assert recorded(Recording("site", 5), q, k).site("a.attn2").shape == (5, *GRID)
    heads = recorded(Recording("head", 5), q, k).site("a.attn2")
    assert heads.shape == (2, 5, *GRID)
    torch.testing.assert_close(heads.mean(0), recorded(Recording("site", 5), q, k).site("a.attn2"))


def test_sites_of_one_grid_are_averaged_and_predictions_follow_each_other() -> None:
    (q, k), (q2, k2) = tensors(seed=1), tensors(seed=2)
    recording = Recording("site", 5)
    recorder = RowRecorder([recording])
    recorder.record("a", q, k, scale=0.5, grid=GRID)
    recorder.record("b", q2, k2, scale=0.5, grid=GRID)
    recorder.commit()
    recorded(recording, q2, k2, "a")
    a, b = (probabilities(x[0], y[0], scale=0.5).mean(0).T.reshape(5, *GRID) for x, y in ((q, k), (q2, k2)))
    torch.testing.assert_close(recording.steps[0][GRID], (a + b) / 2)
    torch.testing.assert_close(recording.steps[1][GRID], b)
    torch.testing.assert_close(recording.site("a"), (a + b) / 2)


def test_rows_go_to_their_own_recordings() -> None:
    q, k = tensors(rows=3)
    first, last = Recording("grid", 5), Recording("grid", 5)
    recorder = RowRecorder([first, None, last])
    recorder.record("a", q, k, scale=0.5, grid=GRID)
    recorder.commit()
    assert torch.equal(first.steps[0][GRID], recorded(Recording("grid", 5), q[:1], k[:1]).steps[0][GRID])
    assert torch.equal(last.steps[0][GRID], recorded(Recording("grid", 5), q[2:], k[2:]).steps[0][GRID])


def test_a_context_that_is_there_several_times_is_recorded_once() -> None:
    q, k = tensors()
    once = recorded(Recording("grid", 5), q, k).steps[0][GRID]
    thrice = recorded(Recording("grid", 5), q, k.repeat(1, 1, 3, 1)).steps[0][GRID]
    torch.testing.assert_close(thrice, once)


def test_nothing_is_kept_of_a_call_that_is_not_committed() -> None:
    recording = Recording("head", 5)
    RowRecorder([recording]).record("a", *tensors(), scale=0.5, grid=GRID)
    assert recording.steps == []
    assert recording.sums == {}


@pytest.mark.parametrize("level", ["grid", "site", "head"])
def test_the_estimate_is_what_a_recording_holds(level: str) -> None:
    recording = Recording(level, 5)
    for seed in range(3):
        recorder = RowRecorder([recording])
        recorder.record("a", *tensors(seed=seed), scale=0.5, grid=GRID)
        recorder.record("b", *tensors(seed=seed), scale=0.5, grid=GRID)
        recorder.record("c", *tensors(seed=seed), scale=0.5, grid=(2, 6))
        recorder.commit()
    kept = [t for step in recording.steps for t in step.values()] + list(recording.sums.values())
    sites = {"a": (2, GRID), "b": (2, GRID), "c": (2, (2, 6))}
    assert sum(t.numel() * t.element_size() for t in kept) == recorded_bytes(level, sites, 5, 3)


def test_the_grid_level_takes_a_mebibyte_and_a_half_a_step_at_sdxls_size() -> None:
    sites = {
        f"{grid}.{i}": (10 if grid[0] == 64 else 20, grid) for grid in ((64, 64), (32, 32)) for i in range(35)
    }
    per_step = recorded_bytes("grid", sites, 77, 1)
    assert per_step <= 1.51 * 2**20


def test_a_recording_that_would_not_fit_is_refused_with_its_size_and_the_level_that_fits() -> None:
    sites = {f"{i}": (8, (512, 512)) for i in range(2)}  # a map of one token takes a mebibyte
    sizes = [recorded_bytes(level, sites, 1, 3) // 2**20 for level in ("grid", "site", "head")]
    assert sizes == [3, 3 + 2, 3 + 2 * 8]
    check_recording("head", sites, 1, 3, max_bytes=19 * 2**20)
    with pytest.raises(RecordingTooLarge) as refusal:
        check_recording("head", sites, 1, 3, max_bytes=18 * 2**20)
    assert str(refusal.value) == (
        "recording 'head' for 2 sites, 1 tokens and 3 steps takes 19 MiB; at most 18 MiB ('site' takes 5 MiB)"
    )
    with pytest.raises(
        RecordingTooLarge, match=r"takes 3 MiB; at most 2 MiB \(take fewer steps or a smaller"
    ):
        check_recording("grid", sites, 1, 3, max_bytes=2 * 2**20)


def test_autocast_does_not_round_what_is_recorded() -> None:
    q, k = (x[0] for x in tensors())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = probabilities(q, k, scale=0.5)
    assert torch.equal(inside, probabilities(q, k, scale=0.5))


def test_a_recorder_for_another_number_of_rows_is_refused() -> None:
    recorder = RowRecorder([Recording("grid", 5)])
    with pytest.raises(ValueError, match=r"^a\.attn2: the call has 2 rows; the recorder was made for 1"):
        recorder.record("a.attn2", *tensors(rows=2), scale=0.5, grid=GRID)


def test_what_is_recorded_holds_on_to_no_graph() -> None:
    q, k = tensors()
    recording = recorded(Recording("site", 5), q.requires_grad_(), k)
    assert not recording.steps[0][GRID].requires_grad
    assert not recording.site("a.attn2").requires_grad
