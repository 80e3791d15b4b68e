"""An entry in the table of request fields, and the limits of fields."""

from dataclasses import KW_ONLY, dataclass

from limelight.pipeline.requests.values import Value

MAX_STEPS = 1000  # the number of timesteps that Stable Diffusion models are trained on
MAX_SEED = 2**64 - 1  # the largest that torch.Generator takes
OPEN_SEED = -1  # says that any seed will do, on the command line, the page and in manifests; in no request
MAX_SIDE = 2**20  # pixels; the machine's memory ends before
MAX_GUIDANCE = 100.0
MAX_CLIP_SKIP = 100  # a model has fewer layers, and says how many
MAX_HIRES_SCALE = 8.0
MAX_CACHE_INTERVAL = 20  # the largest of the paper's own measurements
MAX_PAINTED = 16  # each takes a head dim more at every cross-attention
MAX_REGIONS = 16  # each takes a call more there
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
        help: half a sentence, which limits may follow.
        option: on the command line; fields that share one are its values, in order; empty for none.
        alias: another name of the option, which people know from elsewhere.
        needs: the field without which this one is refused.
        is_offered: whether a stranger may set it: a visitor of the page, a program that asks its API, or the
            record in a PNG from anywhere. No file is opened, and no model loaded, by such a field.
        is_off_at_0: whether 0 means None in a control that cannot be empty.
        a1111: its name in AUTOMATIC1111's text.
        diffusers: its name in diffusers, where it is another.
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
