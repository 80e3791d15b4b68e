"""What each printed command is expected to do.

A command without an entry fails the walk, so that a new one gets one; an entry that no command needs fails a
test.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.walk.pages import BREAK, Printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a command does.

    Attributes:
        command: a regular expression for the beginning of the command.
        says: a regular expression that is found in what it prints.
        makes: patterns of files that are there afterwards.
        code: its exit code.
        serves: it opens the page until it is stopped.
        skipped: why it is not run; what shows it instead.
    """

    command: str
    says: str = ""
    makes: Sequence[str] = ()
    code: int = 0
    serves: bool = False
    skipped: str = ""


_DRAWN = r"\.png  \(seed \d+.*\)\n1 of 1 pictures in"
_ACTED = r"where each word acted"
_NO_FOLDER = r"stable-diffusion-v1-5 does not exist; give a folder"
_NO_FILE = r"(model|style)\.safetensors (does not exist|is no file)"
COMMANDS = (
    Expected(command="make image", says=r"(?s)1 of 1 pictures in .*Next:\n", makes=["outputs/*.png"]),
    Expected(command="make ui", serves=True),
    Expected(command=r"source \.venv/bin/activate"),
    # A reader's own model is not there: a message says so.
    Expected(command=r"limelight (generate )?.*--model \./stable-diffusion-v1-5", says=_NO_FOLDER, code=2),
    Expected(command=r"limelight generate .*--model model\.safetensors", says=_NO_FILE, code=2),
    Expected(command=r"limelight convert model\.safetensors", says=_NO_FILE, code=2),
    Expected(command=r"(LIMELIGHT_AUTH=\S+ )?limelight ui", serves=True),
    Expected(command="limelight vocabulary", says=r"apple"),
    Expected(command="limelight backends", says=r"\d+ sites: sdpa"),
    Expected(command="limelight --version", says=r"limelight \d+\.\d+\.\d+"),
    Expected(command="limelight inspect .*--json", says=r'^\{"file": "pictures/'),
    Expected(command="limelight inspect", says=r"prompt +a "),
    Expected(command="limelight describe .*--maps", says=r" on a ", makes=["maps/*-words.png"]),
    Expected(command="limelight describe", says=r" on a "),
    Expected(command="limelight ask", says=r"^(a|yes|something) ?"),
    Expected(command="limelight check", says=r"the describer: mean"),
    Expected(command="limelight replay", says=r"the same pixels as "),
    Expected(command=r"limelight generate .*--enlarger", skipped="needs weights; tests/pipeline/enlarging"),
    Expected(command=r"limelight batch .*--engine ray", skipped="needs a Ray cluster; tests/pipeline/batch"),
    Expected(command=r"limelight batch .*--dry-run", says=r"\d+ pictures, 0 done, \d+ to draw into out"),
    Expected(command="limelight batch", says=r"gallery: file://", makes=["out/index.html"]),
    Expected(command="limelight .*--expand", says=r"prompt: .*apple"),
    Expected(command="limelight .*--count 4 -o lesson/", says=r"4 of 4 pictures", makes=["lesson/*.png"]),
    Expected(command="limelight .*--count 4", says=r"4 of 4 pictures", makes=["pictures/*.png"]),
    Expected(command="limelight .*--maps lesson/", says=_ACTED, makes=["lesson/*-maps.png"]),
    Expected(command="limelight .*--maps maps/", says=_ACTED, makes=["maps/*-maps.png"]),
    Expected(command="limelight", says=_DRAWN),
    Expected(
        command="accelerate launch", skipped="needs several GPUs; tests/pipeline/batch/test_processes.py"
    ),
    Expected(command="torchrun", skipped="needs several GPUs; tests/pipeline/batch/test_processes.py"),
    Expected(
        command=r"python -m scripts\.gpu\.check --dry-run",
        skipped="goes on for four minutes; tests/scripts/gpu/test_dry_run.py",
    ),
    Expected(command=r"python -m scripts\.gpu", skipped="needs a GPU; tests/scripts/gpu/test_dry_run.py"),
)
# Lines that a page's programs need before them: what a reader has by then.
_MODELS = "fragments that need a model of one's own; tests/attention/adapters"
BEFORE = {
    "docs/python.md": "import torch\nq = k = v = torch.randn(1, 8, 16, 40)\n",
    "docs/steering.md": (
        "from PIL import Image\nfrom limelight import TextToImagePipeline\n"
        "pipe = TextToImagePipeline.from_pretrained('default')\nimage = Image.open('mask.png')\n"
    ),
}
# Packages that a page tells its reader to install first.
PACKAGES = dict.fromkeys(
    ("docs/python.md", "docs/examples/heat_maps.py", "docs/examples/words.ipynb"), "matplotlib"
)
LEFT_OUT = {
    "blip": "a model that a newcomer does not have; tests/pipeline/describer",
    "sdxl-base": "a model that a newcomer does not have; tests/pipeline/test_expert_parity.py",
}  # blocks with it
NOT_RUN = {
    "docs/attention.md": _MODELS,
    "docs/page.md": "needs a page that is open; tests/app/ui/actions/test_api.py",
}


def runnable(program: str) -> str:
    """A page's programs without the blocks that are left out."""
    blocks = program.split(BREAK)
    return BREAK.join(block for block in blocks if not any(mark in block for mark in LEFT_OUT))


def expected_of(command: str, table: Iterable[Expected] = COMMANDS) -> Expected | None:
    """The first entry for a command; None where there is none."""
    return next((each for each in table if re.match(each.command, command)), None)


def not_expected(found: Iterable[Printed]) -> list[Printed]:
    """Commands without an entry."""
    return [each for each in found if each.language == "sh" and expected_of(each.text) is None]
