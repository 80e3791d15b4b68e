"""Decides how many pictures are sampled together, and by how many processes."""

import logging

import torch

from limelight.pipeline.memory import free_bytes
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.engine import Engine

MOST = 64  # pictures; more do not make a GPU faster
SHARE = 0.85  # of the free memory; the rest is for decoding and for variation
MOST_ON_CPU = 8  # pictures
POSITIONS_ON_CPU = 2 * 64 * 64  # of latents; these keep a CPU busy
ROWS_EACH = 32  # for fewer rows, starting a process takes too long
SHARE_ON_CPU = 0.25  # of the free memory, for the models of other processes
COPIES = 1.5  # memory of a process in units of its weights, with filters and activations
FIXED = 2**29  # bytes of a process in addition

logger = logging.getLogger(__name__)


def find_max_rows(engine: Engine, request: GenerationRequest) -> int:
    """Predictions that fit in a U-Net call. On a GPU, one picture and then two are tried.

    Args:
        request: a request of the largest size.
    """
    device = engine.model.unet.device
    if device.type != "cuda":
        return 2 * _on_cpu(engine, request)
    engine.max_rows = 4
    _peak(engine, request, 1)  # the first call allocates memory that stays
    first, second = (_peak(engine, request, pictures) for pictures in (1, 2))
    free, _ = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    room = SHARE * (free + reserved) - first
    pictures = 1 + max(0, int(room // max(1, second - first)))
    logger.info(
        "one picture takes %d bytes, another %d more; drawing %d at a time", first, second - first, pictures
    )
    return 2 * min(MOST, pictures)


def _on_cpu(engine: Engine, request: GenerationRequest) -> int:
    """The number of pictures that together have `POSITIONS_ON_CPU`."""
    width, height = engine.resolve(request).final_size
    assert width is not None and height is not None, "the request is not resolved"
    _, rows, columns = engine.model.latent_shape(height, width)
    return max(1, min(MOST_ON_CPU, POSITIONS_ON_CPU // (rows * columns)))


def find_workers(model: Model, num_rows: int, *, is_device_named: bool) -> int:
    """The number of processes that draw `num_rows` rows fastest on this machine.

    It is one for each GPU, unless a GPU was named. On a CPU it is one for each core, if there is memory for
    as many models, because several pictures at once use the cores better than several threads for one
    picture.
    """
    device, most = model.unet.device, num_rows // ROWS_EACH
    if device.type == "cuda" and not is_device_named:
        return max(1, min(most, torch.cuda.device_count()))
    if device.type != "cpu" or (free := free_bytes()) is None:
        return 1
    parts = (model.unet, model.vae, *(encoder.model for encoder in model.text.encoders))
    size = sum(x.nbytes for part in parts for x in part.parameters())
    room = 1 + int(SHARE_ON_CPU * free / (COPIES * size + FIXED))
    return max(1, min(most, torch.get_num_threads(), room))


def _peak(engine: Engine, request: GenerationRequest, pictures: int) -> int:
    """Bytes that a call for this many pictures takes in addition to those in use before."""
    device = engine.model.unet.device
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    session = engine.session()
    for _ in range(pictures):
        session.add(request)
    session.step()
    return torch.cuda.max_memory_allocated(device) - before
