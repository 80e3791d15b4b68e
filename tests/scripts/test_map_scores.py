"""Scores of maps against masks by hand, and a search that finds the best head."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.best_maps import FINEST, BestMaps
from scripts.second.scoring.map_report import report
from scripts.second.scoring.map_scores import (
    Aggregation,
    area_under_roc,
    best_maps_of,
    best_threshold,
    default_of,
    enlarged,
    iou,
    pointing,
    search,
    search_default,
    whole,
)
from scripts.second.scoring.recorded import Recorded, Truth
from scripts.training.scoring.truth import record, truths_of
from scripts.world.scene import Scene, Thing

MASK = torch.tensor([[[True, True], [False, False]]])


def test_pointing_counts_the_largest_value_and_shares_ties() -> None:
    maps = torch.tensor([[[0.9, 0.1], [0.2, 0.3]], [[0.1, 0.1], [0.2, 0.3]], [[0.5, 0.1], [0.5, 0.5]]])
    assert pointing(maps, MASK.expand(3, 2, 2)).tolist() == [1, 0, pytest.approx(1 / 3)]
    assert pointing(torch.zeros(1, 2, 2), MASK).tolist() == [0]


def test_intersection_over_union() -> None:
    maps = torch.tensor([[[1.0, 0.3], [0.5, 0.0]]])
    assert iou(maps, MASK, 0.4).tolist() == [pytest.approx(1 / 3)]
    assert iou(maps, MASK, 0.2).tolist() == [pytest.approx(2 / 3)]
    assert iou(torch.zeros(1, 2, 2), MASK, 0.4).tolist() == [0]
    assert best_threshold(torch.tensor([[[1.0, 0.8], [0.5, 0.0]]]), MASK) in (0.55, 0.6, 0.65, 0.7, 0.75, 0.8)


def test_the_area_under_roc_is_the_share_of_right_pairs() -> None:
    random = torch.Generator().manual_seed(0)
    maps = (torch.rand(4, 6, 6, generator=random) * 10).round()
    masks = torch.rand(4, 6, 6, generator=random) < 0.3
    for map_, mask, area in zip(maps, masks, area_under_roc(maps, masks), strict=True):
        inside, outside = map_[mask][:, None], map_[~mask][None]
        pairs = (inside > outside).float() + 0.5 * (inside == outside).float()
        assert area.item() == pytest.approx(pairs.mean().item(), abs=1e-5)


def test_maps_are_enlarged_to_the_picture_and_peak_at_one() -> None:
    fine = enlarged(torch.rand(3, 4, 4), 16)
    assert fine.shape == (3, 16, 16)
    assert fine.amax((1, 2)).tolist() == pytest.approx([1, 1, 1])
    assert not enlarged(torch.zeros(1, 4, 4), 16).any()


def test_the_search_finds_the_head_and_the_step_that_know() -> None:
    random = torch.Generator().manual_seed(1)
    masks = torch.zeros(12, 16, 16, dtype=torch.bool)
    for mask in masks:
        top, left = torch.randint(0, 8, (2,), generator=random).tolist()
        mask[top : top + 8, left : left + 8] = True
    maps = torch.rand(12, 2, 3, 16, 16, generator=random)
    maps[:, 1, 2] = masks.float() + 0.01
    truths = [Truth(i, "noun", "cat", mask, None) for i, mask in enumerate(masks)]
    recorded = Recorded(truths, [("a", 16, 0), ("a", 16, 1), ("b", 16, 0)], [100, 400], maps, maps * 0)
    found = search(recorded, Aggregation("all", (0, 1, 2), (0, 1)))
    assert found.timesteps == (1,)
    assert found.heads == (2,)
    assert iou(found(recorded), masks, 0.5).mean() > 0.95
    default = search_default(recorded, Aggregation("all", (0, 1, 2), (0, 1)))
    assert default.heads == (2,)
    best = best_maps_of(default, recorded, {"iou": 1.0})
    assert best.heads == {"b": (0,)}
    assert best.last == 0.4  # up to timestep 400: the noise at 100 is the other half
    assert default_of(best, recorded).heads == (2,)
    assert default_of(best, recorded).timesteps == (0, 1)
    assert default_of(FINEST, recorded).heads == (0, 1, 2)
    assert iou(whole(recorded), masks, 0.5).mean() == pytest.approx(64 / 256)


def test_the_masks_of_words(world) -> None:
    scene = Scene((Thing("apple", "red"), Thing("car", "blue")), "left", "yellow")
    batch = world.compose([scene], np.random.default_rng(0))
    truths = {(truth.kind, truth.word): truth for truth in truths_of(batch)}
    assert set(truths) == {
        ("noun", "apple"),
        ("noun", "car"),
        ("colour", "red"),
        ("colour", "blue"),
        ("ground", "yellow"),
    }
    apple, car = truths["noun", "apple"], truths["noun", "car"]
    columns = torch.arange(64).expand(64, 64)
    assert columns[apple.mask].float().mean() < columns[car.mask].float().mean()
    assert torch.equal(apple.other, car.mask)
    assert torch.equal(truths["colour", "blue"].mask, car.mask)
    assert not (truths["ground", "yellow"].mask & (apple.mask | car.mask)).any()


def test_recordings_of_composed_scenes(world) -> None:
    scenes = [
        Scene((Thing("apple", "red"), Thing("car", "red")), "left", "red"),
        Scene((Thing("star", count=2),), background="blue"),
    ]
    model = TextToImagePipeline.from_pretrained("default", device="cpu").model
    recorded = record(model, world, scenes, [300, 600], seed=0)
    words = [(truth.scene, truth.kind, truth.word) for truth in recorded.truths]
    assert words == [
        (0, "noun", "apple"),
        (0, "colour", "red"),
        (0, "noun", "car"),
        (0, "colour", "red"),
        (0, "ground", "red"),
        (1, "noun", "stars"),
        (1, "ground", "blue"),
    ]
    assert recorded.maps.shape == (7, 2, len(recorded.heads), 16, 16)
    assert recorded.maps.amin() >= 0
    assert recorded.maps.amax() <= 1
    assert recorded.maps.flatten(1).amax(1).min() > 0  # every word was found
    again = record(model, world, scenes, [300, 600], seed=0)
    assert torch.equal(again.maps, recorded.maps)


def test_the_report_has_lines_for_each_kind_and_stores_the_best_heads(tmp_path, capsys) -> None:
    random = torch.Generator().manual_seed(1)
    masks = torch.zeros(12, 16, 16, dtype=torch.bool)
    masks[:6, :8, :8] = True
    masks[6:, 6:, 6:] = True
    maps = torch.rand(12, 1, 2, 16, 16, generator=random)
    maps[:, 0, 1] = masks.float() + 0.01
    truths = [Truth(i, "noun", "cat", mask, None) for i, mask in enumerate(masks)]
    recorded = Recorded(truths, [("a", 16, 0), ("a", 16, 1)], [100], maps, maps * 0)
    report(recorded, recorded, ("noun", "colour"), FINEST, save=tmp_path, words=True)
    printed = capsys.readouterr().out
    lines = [line.split(" | ")[:3] for line in printed.splitlines() if line.startswith("| noun words")]
    assert [name for _, name, _ in lines] == [
        "the whole picture",
        "a Gaussian in the middle",
        "mean of all sites, heads, steps (DAAM's rule)",
        "mean of the 16x16 sites",
        "the model's default",
        "best found",
    ]
    assert "| colour" not in printed and "| cat | 12 | 1.00 |" in printed
    sites = [SimpleNamespace(name="a", num_heads=2, kind="cross")]
    stored = BestMaps.read(tmp_path, sites)  # type: ignore[arg-type]
    assert stored is not None and (stored.heads, stored.scores["iou"]) == ({"a": (1,)}, 1.0)
