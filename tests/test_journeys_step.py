"""How many files of the packages a latent enters in one step."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from limelight.pipeline import GenerationRequest, TextToImagePipeline

ROOT = Path(__file__).parents[1]
PACKAGES = ("attention", "unet", "pipeline")
MOST, MOST_RECORDED = 15, 19  # 27 and 29 on the day before the packages had rooms


def files_entered(run: Callable[[], object]) -> set[str]:
    """The files of the packages in which a function is called, of which a generator goes on, and so on."""
    names: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            names.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    found = {Path(name).resolve() for name in names if not name.startswith("<")}
    inside = {str(path.relative_to(ROOT)) for path in found if path.is_relative_to(ROOT)}
    return {name for name in inside if name.split("/")[0] in PACKAGES}


@pytest.mark.parametrize(("record", "most"), [(False, MOST), ("grid", MOST_RECORDED)])
def test_a_latent_enters_few_files_in_one_step(record: object, most: int) -> None:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    session = pipe.engine.session()
    session.add(GenerationRequest(prompt="a red apple", seed=1, num_steps=5, record=record))  # type: ignore[arg-type]
    for _ in range(3):  # the first calls choose, check and capture
        session.step()
    entered = files_entered(session.step)
    assert len(entered) > 5
    assert len(entered) <= most, sorted(entered)
