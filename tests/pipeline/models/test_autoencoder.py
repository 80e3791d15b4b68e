import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[3]
LOAD = """
import sys
from limelight.pipeline import TextToImagePipeline
TextToImagePipeline.from_pretrained("default", device="cpu")
assert "xformers" not in sys.modules
"""


@pytest.mark.long
@pytest.mark.skipif(torch.cuda.is_available(), reason="xformers can run here")
def test_a_model_is_loaded_without_a_word_of_xformers_where_it_cannot_run():
    run = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
