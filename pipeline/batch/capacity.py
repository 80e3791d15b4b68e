"""How many pictures a GPU samples together, found out by trying."""

import logging

import torch

from pipeline.engine import Engine
from pipeline.request import GenerationRequest

DEFAULT = 8  # pictures, where memory is not what sets the limit
MOST = 64  # more do not make a GPU faster
SHARE = 0.85  # of the free memory; the rest is for decoding and for what varies

logger = logging.getLogger(__name__)


def find_max_rows(engine: Engine, request: GenerationRequest) -> int:
    """Predictions that fit in a U-Net call beside everything else.

    Args:
        request: of the largest size that will be asked for.
    """
    if engine.model.unet.device.type != "cuda":
        return 2 * DEFAULT
    engine.max_rows = 4
    first, second = (_peak(engine, request, pictures) for pictures in (1, 2))
    free, _ = torch.cuda.mem_get_info(engine.model.unet.device)
    reserved = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    room = SHARE * (free + reserved) - first
    pictures = 1 + max(0, int(room // max(1, second - first)))
    logger.info(
        "one picture takes %d bytes, another %d more; drawing %d at a time", first, second - first, pictures
    )
    return 2 * min(MOST, pictures)


def _peak(engine: Engine, request: GenerationRequest, pictures: int) -> int:
    """Bytes that a call for so many takes beyond what is there before."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    session = engine.session()
    for _ in range(pictures):
        session.add(request)
    session.step()
    return torch.cuda.max_memory_allocated() - before
