"""Computes attention probabilities, and with steering the factors by which a row weights its values."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.attention.entmax import entmax
from limelight.attention.recording.recording import Grid
from limelight.attention.runtime import RowByRow
from limelight.attention.steering import Steering, Steerings


def probabilities(
    q: Float[Tensor, "h n d"],
    k: Float[Tensor, "hk m d"],
    *,
    scale: float,
    bias: Float[Tensor, "n m"] | None = None,
    sparse: float = 0.0,
) -> Float[Tensor, "h n m"]:
    """softmax(scale * q kT + bias) in float32, also under autocast; `sparse` as in `Steering`."""
    if q.shape[0] != k.shape[0]:
        k = k.repeat_interleave(q.shape[0] // k.shape[0], dim=0)
    with torch.autocast(q.device.type, enabled=False):
        # Scaling the few keys instead of the many scores saves a pass over the largest tensor.
        scores = q.float() @ (k.float() * scale).mT
        scores = scores if bias is None else scores.add_(bias)
        dense = scores.softmax(dim=-1)
        return dense + sparse * (entmax(scores) - dense) if sparse else dense


def effective(
    steering: Steerings, row: int, site: str, q: Tensor, k: RowByRow, *, scale: float, grid: Grid
) -> Float[Tensor, "h n m"]:
    """The factors by which a row of cross-attention weights its own values.

    Args:
        steering, q, k: those of all rows.
    """
    steered = steering[row]
    if steered is None:
        return _of_row(None, row, q, k, scale, grid)
    lend, parts = steered.lend, []
    if lend is not None and lend.values is not None:
        other = row + lend.row
        lent = _of_row(steering[other], other, q, k, scale, grid)
        parts.append(lent @ lend.values.to(lent))
    if not parts or (lend is not None and lend.keeps_own):
        own = _of_row(steered, row, q, k, scale, grid)
        parts.append(own if steered.tokens is None else own * steered.tokens.to(own))
    found = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    if steered.weight is not None:
        found = found * steered.weight(grid).to(found)[:, None]
    return _with_heads(steered, site, found)


def _of_row(
    steering: Steering | None, row: int, q: Tensor, k: RowByRow, scale: float, grid: Grid
) -> Float[Tensor, "h n m"]:
    bias, sparse = (None, 0.0) if steering is None else (steering.bias, steering.sparse)
    scores = None if bias is None else bias.scores(grid)
    return probabilities(q[row].detach(), k[row].detach(), scale=scale, bias=scores, sparse=sparse)


def effective_self(
    steering: Steerings,
    row: int,
    site: str,
    q: Tensor,
    k: Tensor,
    *,
    scale: float,
    at: Sequence[int] | None = None,
) -> Float[Tensor, "h n m"]:
    """As `effective`, for self-attention, at the query positions `at`; None means all."""
    steered = steering[row]
    looks = row + steered.lend.row if steered is not None and steered.lend and steered.lends(site) else row
    own, keys = q[looks].detach(), k[looks].detach()
    skip = None if steered is None else steered.skip.get(site)
    asked = own if at is None else own[:, list(at)]
    if skip == "values":
        every = torch.eye(own.shape[1], device=own.device)
        found = (every if at is None else every[list(at)]).expand(len(own), -1, -1)
    elif skip == "blur":
        found = probabilities(own.mean(1, keepdim=True), keys, scale=scale).expand(-1, asked.shape[1], -1)
    else:
        found = probabilities(asked, keys, scale=scale)
    return found if steered is None else _with_heads(steered, site, found)


def _with_heads(steering: Steering, site: str, found: Float[Tensor, "h n m"]) -> Float[Tensor, "h n m"]:
    return found * steering.heads[site].to(found)[:, None, None] if site in steering.heads else found
