"""An entry in the table of request fields, and the limits of fields."""

from dataclasses import KW_ONLY, dataclass

from limelight.pipeline.requests.values import Value

MAX_STEPS = 1000  # the number of timesteps that Stable Diffusion models are trained on
MAX_SEED = 2**64 - 1  # the largest that torch.Generator takes
OPEN_SEED = -1  # a random seed, on the command line, the page and in manifests; never in a request
MAX_SIDE = 2**20  # pixels; `pixels.check_memory` is the real limit
MAX_GUIDANCE = 100.0
MAX_CLIP_SKIP = 100  # the engine checks the model's own, lower limit
MAX_HIRES_SCALE = 8.0
MAX_ENLARGED = 4
MAX_CACHE_INTERVAL = 20  # the largest of the paper's own measurements
MAX_PAINTED = 16  # each makes the heads of cross-attention one number wider
MAX_REGIONS = 16  # each adds an attention call to every cross-attention
MAX_HEADS = 1000
MAX_SCALED = 100
MAX_BLENDED = 16
MAX_PERTURBED = 20.0  # the papers stay below 6
MAX_FREEU = 3.0
MAX_PLADIS = 4.0
MAX_PICK = 64
RECORD_EXTRAS = ("negative", "steps", "values", "refined")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request, as the command line, manifests, the page and records know it.

    Attributes:
        label: on the page.
        help: text without a full stop; the limits are appended to it.
        option: its name on the command line, empty for none; fields with one option are its values, in order.
        alias: a second name of the option, as other programs have it.
        needs: the field without which this one is refused.
        is_offered: whether a stranger may set it: a visitor of the page, a program that asks its API, or the
            record in a PNG from anywhere. No file is opened, and no model loaded, by such a field.
        is_off_at_0: whether 0 means None in a control that cannot be empty.
        a1111: its key in the text that AUTOMATIC1111's web UI stores in PNGs.
        diffusers: its name in diffusers, where that differs.
    """

    value: Value
    label: str
    help: str
    _: KW_ONLY
    option: str = ""
    alias: str = ""
    needs: str = ""
    is_offered: bool = False
    is_off_at_0: bool = False
    a1111: str = ""
    diffusers: str = ""
