"""The API reference is built from docstrings without warnings."""

from pathlib import Path

import pytest

from scripts.build_reference import MODULES, build


def test_the_reference_builds(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="a development tool: make docs")
    build(tmp_path)
    pages = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.html")}
    assert {f"{module.replace('.', '/')}.html" for module in MODULES} <= pages
    page = (tmp_path / "limelight/pipeline/requests/request.html").read_text()
    assert "guidance_scale" in page and "classifier-free guidance" in page
