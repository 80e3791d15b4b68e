import pytest
import torch

from limelight.attention.recording.contributions import contribution_norms
from limelight.attention.recording.effective import probabilities
from limelight.attention.recording.recorder import RowRecorder, positions
from limelight.attention.recording.recording import Extras, Recording

GRID = (3, 4)
WEIGHT = torch.randn(16, 16, generator=torch.Generator().manual_seed(9))


def tensors(
    rows: int = 1, heads: int = 2, tokens: int = 5, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    q = torch.randn(rows, heads, 12, 8, generator=generator)
    return q, torch.randn(rows, heads, tokens, 8, generator=generator)


def recorded(recording: Recording, q: torch.Tensor, k: torch.Tensor, site: str = "a.attn2") -> Recording:
    recorder = RowRecorder([recording])
    record(recorder, site, q, k)
    recorder.commit()
    return recording


def record(recorder: RowRecorder, site: str, q: torch.Tensor, k: torch.Tensor) -> None:
    """Keys stand in for values too."""
    recorder.record(site, q, k, k, scale=0.5, grid=GRID, out_weight=WEIGHT)


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
    torch.testing.assert_close(step[GRID].float(), expected, atol=1e-6, rtol=2**-11)
    assert (step[GRID].float().sum(0) - 1).abs().max() <= 5e-4


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
    record(recorder, "a", q, k)
    record(recorder, "b", q2, k2)
    recorder.commit()
    recorded(recording, q2, k2, "a")
    a, b = (probabilities(x[0], y[0], scale=0.5).mean(0).T.reshape(5, *GRID) for x, y in ((q, k), (q2, k2)))
    for step, expected in zip(recording.steps, ((a + b) / 2, b), strict=True):
        torch.testing.assert_close(step[GRID].float(), expected, atol=1e-6, rtol=2**-11)
    torch.testing.assert_close(recording.site("a"), (a + b) / 2)


def test_rows_go_to_their_own_recordings() -> None:
    q, k = tensors(rows=3)
    first, last = Recording("grid", 5), Recording("grid", 5)
    recorder = RowRecorder([first, None, last])
    record(recorder, "a", q, k)
    recorder.commit()
    assert torch.equal(first.steps[0][GRID], recorded(Recording("grid", 5), q[:1], k[:1]).steps[0][GRID])
    assert torch.equal(last.steps[0][GRID], recorded(Recording("grid", 5), q[2:], k[2:]).steps[0][GRID])


def test_a_context_of_another_length_is_refused() -> None:
    q, k = tensors()
    with pytest.raises(ValueError, match=r"^a\.attn2: row 0 has 10 keys; its recording is of 5 tokens"):
        record(RowRecorder([Recording("grid", 5)]), "a.attn2", q, k.repeat(1, 1, 2, 1))


def test_a_call_that_is_not_committed_is_discarded() -> None:
    recording = Recording("head", 5)
    record(RowRecorder([recording]), "a", *tensors())
    assert recording.steps == []
    assert recording.sums == {}


def test_autocast_does_not_round_what_is_recorded() -> None:
    q, k = (x[0] for x in tensors())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = probabilities(q, k, scale=0.5)
    assert torch.equal(inside, probabilities(q, k, scale=0.5))


def test_a_recorder_for_another_number_of_rows_is_refused() -> None:
    recorder = RowRecorder([Recording("grid", 5)])
    with pytest.raises(ValueError, match=r"^a\.attn2: the call has 2 rows; the recorder was made for 1"):
        record(recorder, "a.attn2", *tensors(rows=2))


def test_recordings_keep_no_autograd_graph() -> None:
    q, k = tensors()
    recording = recorded(Recording("site", 5), q.requires_grad_(), k)
    assert not recording.steps[0][GRID].requires_grad
    assert not recording.site("a.attn2").requires_grad


def test_history_is_in_half_precision_and_still_sums_to_one_over_77_tokens() -> None:
    for seed in range(20):
        q, k = tensors(tokens=77, seed=seed)
        (step,) = recorded(Recording("grid", 77), 3 * q, k).steps
        assert step[GRID].dtype == torch.float16
        assert (step[GRID].float().sum(0) - 1).abs().max() <= 5e-4


@pytest.mark.parametrize("level", ["site", "head"])
def test_single_predictions_are_kept_if_requested(level: str) -> None:
    recording = Recording(level, 5, Extras(steps=True))
    alone = [recorded(Recording(level, 5), *tensors(seed=seed)) for seed in (1, 2)]
    for seed in (1, 2):
        recorded(recording, *tensors(seed=seed))
    for step, one in enumerate(alone):
        torch.testing.assert_close(
            recording.site("a.attn2", [step]), one.site("a.attn2"), atol=1e-6, rtol=2**-11
        )
    mean = recording.site("a.attn2")
    torch.testing.assert_close(recording.site("a.attn2", [0, 1]), mean, atol=1e-6, rtol=2**-10)


@pytest.mark.parametrize("key_heads", [1, 2, 4])
def test_contributions_are_the_lengths_of_what_tokens_write(key_heads: int) -> None:
    generator = torch.Generator().manual_seed(0)
    heads = torch.randn(4, 12, 5, generator=generator).softmax(-1)
    v, weight = torch.randn(key_heads, 5, 8, generator=generator), torch.randn(9, 32, generator=generator)
    shared = v.repeat_interleave(4 // key_heads, 0)
    written = torch.einsum("hnm,hmd,chd->nmc", heads, shared, weight.unflatten(-1, (4, 8)))
    torch.testing.assert_close(contribution_norms(heads, v, weight), written.norm(dim=-1))


def test_value_weighted_maps_are_norms_at_sites_and_shares_in_a_grid() -> None:
    (q, k), extras = tensors(), Extras(values=True)
    norms = contribution_norms(probabilities(q[0], k[0], scale=0.5), k[0], WEIGHT)
    for level in ("grid", "site", "head"):
        view = recorded(Recording(level, 5, extras), q, k).views["values"]
        shares = (norms / norms.sum(-1, keepdim=True)).T.reshape(5, *GRID)
        torch.testing.assert_close(view.steps[0][GRID].float(), shares, atol=1e-6, rtol=2**-10)
        if level != "grid":
            torch.testing.assert_close(view.site("a.attn2"), norms.T.reshape(5, *GRID))


def test_points_keep_their_rows_of_self_attention() -> None:
    q, k = tensors(tokens=12)
    recording = Recording("grid", 5, Extras(points=((0.1, 0.1), (0.99, 0.5))))
    recorder = RowRecorder([recording])
    recorder.record_self("a.attn1", q, k, scale=0.5, grid=GRID)
    recorder.commit()
    rows = probabilities(q[0], k[0], scale=0.5).mean(0)[[0, 7]].reshape(2, *GRID)
    view = recording.views["points"]
    torch.testing.assert_close(view.site("a.attn1"), rows)
    torch.testing.assert_close(view.steps[0][GRID].float(), rows * 12, atol=1e-6, rtol=2**-11)


def test_a_point_lies_in_one_position_of_every_grid() -> None:
    assert positions([(0.0, 0.0), (1.0, 1.0), (0.5, 0.5), (0.26, 0.99)], (4, 4)) == [0, 15, 10, 13]
    assert positions([(1.0, 1.0)], (1, 3)) == [2]


def test_refined_maps_are_spread_by_the_grids_mean_self_attention() -> None:
    (q, k), (own_q, own_k) = tensors(), tensors(tokens=12, seed=3)
    recording = Recording("site", 5, Extras(refined=True))
    recorder = RowRecorder([recording])
    recorder.record_self("a.attn1", own_q, own_k, scale=0.5, grid=GRID)
    recorder.record_self("b.attn1", 2 * own_q, own_k, scale=0.5, grid=GRID)
    record(recorder, "a.attn2", q, k)
    recorder.commit()
    weights = sum(probabilities(x, own_k[0], scale=0.5).mean(0) for x in (own_q[0], 2 * own_q[0])) / 2
    expected = weights @ probabilities(q[0], k[0], scale=0.5).mean(0)  # n m
    (step,) = recording.views["refined"].steps
    torch.testing.assert_close(step[GRID].float(), expected.T.reshape(5, *GRID), atol=1e-6, rtol=2**-10)


def test_queries_of_the_named_predictions_are_kept() -> None:
    recording = Recording("grid", 5, Extras(queries=(1,)))
    for seed in range(3):
        recorded(recording, *tensors(seed=seed))
    assert list(recording.queries) == [1]
    assert torch.equal(recording.queries[1]["a.attn2"], tensors(seed=1)[0][0])
