"""Type checkers find wrong fields of a call."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = """
from limelight import GenerationRequest, TextToImagePipeline

pipe = TextToImagePipeline.from_pretrained("default")
reveal_type(pipe("a", seed=7, record="site"))
reveal_type(pipe(GenerationRequest(prompt="a")))
reveal_type(pipe([GenerationRequest(prompt="a")]))
pipe("a", num_step=4)
pipe("a", seed="x")
pipe("a", record="sites")
"""


@pytest.mark.slow
def test_a_misspelt_or_mistyped_field_is_found_before_anything_runs(tmp_path: Path) -> None:
    from mypy import api

    (tmp_path / "call.py").write_text(SOURCE)
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--follow-imports=silent"]
    out, err, _ = api.run([*config, "--cache-dir", str(ROOT / ".mypy_cache"), str(tmp_path / "call.py")])
    found = {line.partition("call.py:")[2].partition(": note: Possible")[0] for line in out.splitlines()}
    result = "limelight.pipeline.results.result.Result"
    assert f'5: note: Revealed type is "{result}"' in found, out + err
    assert f'6: note: Revealed type is "{result}"' in found
    assert f'7: note: Revealed type is "list[{result}]"' in found
    assert 'did you mean "num_steps"?' in out
    assert {line.partition(": ")[0] for line in found if ": error: " in line} == {"8", "9", "10"}
