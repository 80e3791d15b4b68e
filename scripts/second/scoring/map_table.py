"""Tables of how well maps agree with masks."""

import numpy as np
import torch
from torch import Tensor

from scripts.second.scoring.map_scores import (
    DAAM_THRESHOLD,
    Aggregation,
    Maps,
    area_under_roc,
    iou,
    masks_of,
    pointing,
)
from scripts.second.scoring.recorded import Recorded
from scripts.second.scoring.statistics import interval

COLUMNS = (
    "pointing",
    "pointing at the other thing",
    f"IoU at {DAAM_THRESHOLD}",
    "IoU at the best threshold",
    "ROC area",
)


def row(recorded: Recorded, maps: Maps, threshold: float) -> list[str]:
    """The mean and the bootstrap's 95 % interval of every measure."""
    masks = masks_of(recorded.truths)
    others = [truth.other for truth in recorded.truths if truth.other is not None]
    columns = [
        pointing(maps, masks),
        pointing(maps, torch.stack(others)) if len(others) == len(maps) else None,
        iou(maps, masks, DAAM_THRESHOLD),
        iou(maps, masks, threshold),
        area_under_roc(maps, masks),
    ]
    return ["" if values is None else _cell(values) for values in columns]


def _cell(values: Tensor) -> str:
    low, high = interval(values.numpy(), np.random.default_rng(0))
    return f"{values.mean().item():.3f} ({low:.3f} to {high:.3f})"


def print_words(recorded: Recorded, way: Aggregation) -> None:
    """Pointing and IoU noun by noun."""
    maps, masks = way(recorded), masks_of(recorded.truths)
    points, overlaps = pointing(maps, masks), iou(maps, masks, DAAM_THRESHOLD)
    print(f"\n| noun | words | pointing | IoU at {DAAM_THRESHOLD} |\n|---|---|---|---|")
    for word in sorted({truth.word for truth in recorded.truths}):
        rows = [i for i, truth in enumerate(recorded.truths) if truth.word == word]
        print(f"| {word} | {len(rows)} | {points[rows].mean():.2f} | {overlaps[rows].mean():.2f} |")
