"""How many pictures are sampled together, and by how many processes."""

import logging

import torch

from limelight.pipeline.memory import free_bytes
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.engine import Engine

MOST = 64  # pictures; more do not make a GPU faster
SHARE = 0.85  # of the free memory; the rest is for decoding and for what varies
MOST_ON_CPU = 8  # pictures
POSITIONS_ON_CPU = 2 * 64 * 64  # of latents; a CPU is kept busy by fewer, and has no memory of its own
ROWS_EACH = 32  # for fewer a process would hardly have begun
SHARE_ON_CPU = 0.25  # of the free memory, for the models of other processes
COPIES = 1.5  # of its weights, that a process takes: with filters and activations
BESIDE = 2**29  # bytes that it takes beside them

logger = logging.getLogger(__name__)


def find_max_rows(engine: Engine, request: GenerationRequest) -> int:
    """Predictions that fit in a U-Net call beside everything else: on a GPU found out by trying one picture
    and two.

    Args:
        request: of the largest size that will be asked for.
    """
    device = engine.model.unet.device
    if device.type != "cuda":
        return 2 * _on_cpu(engine, request)
    engine.max_rows = 4
    _peak(engine, request, 1)  # the first brings in what stays
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
    """As many pictures as have `POSITIONS_ON_CPU` together."""
    width, height = engine.resolve(request).final_size
    assert width is not None and height is not None, "the request is not resolved"
    _, rows, columns = engine.model.latent_shape(height, width)
    return max(1, min(MOST_ON_CPU, POSITIONS_ON_CPU // (rows * columns)))


def find_workers(model: Model, num_rows: int, *, is_device_named: bool) -> int:
    """Processes that draw so many rows fastest on this machine: one on each GPU, unless one was named; on a
    CPU one on each core, since several pictures at once keep it busier than several threads at one, if there
    is memory for so many models."""
    device, most = model.unet.device, num_rows // ROWS_EACH
    if device.type == "cuda" and not is_device_named:
        return max(1, min(most, torch.cuda.device_count()))
    if device.type != "cpu" or (free := free_bytes()) is None:
        return 1
    parts = (model.unet, model.vae, *(encoder.model for encoder in model.text.encoders))
    size = sum(x.nbytes for part in parts for x in part.parameters())
    room = 1 + int(SHARE_ON_CPU * free / (COPIES * size + BESIDE))
    return max(1, min(most, torch.get_num_threads(), room))


def _peak(engine: Engine, request: GenerationRequest, pictures: int) -> int:
    """Bytes that a call for so many takes beyond what is there before."""
    device = engine.model.unet.device
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    session = engine.session()
    for _ in range(pictures):
        session.add(request)
    session.step()
    return torch.cuda.max_memory_allocated(device) - before
