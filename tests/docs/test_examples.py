"""The examples of the documentation run, and their results are as documented."""

import ast
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from limelight import Result

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"
MADE = {
    "attend.py": [],
    "picture.py": ["apple.png"],
    "heat_maps.py": ["maps.png"],
    "batch.py": [],
    "own_loop.py": ["own-loop.png"],
}


def is_redder_in_the_middle(picture: Path) -> bool:
    pixels = np.asarray(Image.open(picture).convert("RGB"), dtype=float)
    redness = pixels[..., 0] - pixels[..., 2]  # less blue: the prompt's background is blue
    part = len(pixels) // 8
    return redness[3 * part : 5 * part, 3 * part : 5 * part].mean() > redness[:part].mean() + 50


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(MADE)


@pytest.mark.parametrize("name", MADE)
def test_an_example_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, since a new one would take seconds to import torch."""
    monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
    monkeypatch.setenv("MPLBACKEND", "Agg")
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    said = capsys.readouterr().out
    for file in MADE[name]:
        assert (tmp_path / file).stat().st_size > 500
    if name == "attend.py":
        assert "output (1, 8, 64, 40)" in said and "chosen: " in said
    elif name == "picture.py":
        assert "refused: width is 500; must be a multiple of 8 (504 is the nearest)" in said
        assert is_redder_in_the_middle(tmp_path / "apple.png")
    elif name == "batch.py":
        assert "request 2: 4 of 4" in said
        assert len(list(tmp_path.glob("*.png"))) == 3
    elif name == "own_loop.py":
        assert is_redder_in_the_middle(tmp_path / "own-loop.png")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_runs_and_shows_its_result(path: Path) -> None:
    """Each code cell is run, and its last expression is kept, as Jupyter does."""
    cells = [c for c in json.loads(path.read_text())["cells"] if c["cell_type"] == "code"]
    assert all(cell["outputs"] == [] for cell in cells), "clear the outputs before you commit a notebook"
    names: dict[str, object] = {}
    shown: list[object] = []
    for cell in cells:
        body = ast.parse("".join(cell["source"])).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
    pictures = [value for value in shown if isinstance(value, Result)]
    assert len(pictures) == 2
    assert all(picture._repr_png_().startswith(b"\x89PNG") for picture in pictures)
    assert [picture._repr_html_() is not None for picture in pictures] == [True, False]
    drawings = [value for value in shown if isinstance(value, Image.Image | Figure)]
    assert [type(value) for value in drawings] == [Image.Image, Image.Image, Figure]
