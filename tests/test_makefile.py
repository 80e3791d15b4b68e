"""Which torch `make` installs, and the environment of its recipes; nothing is run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CPU = "https://download.pytorch.org/whl/cpu"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def recipe(*variables: str) -> str:
    """What `make image` would run where nothing is installed yet."""
    command = ["make", "--dry-run", "--always-make", ".venv/installed", *variables]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="PyPI's torch has CUDA on Linux alone")
def test_without_a_gpu_torch_comes_without_cuda() -> None:
    text = recipe("GPUS=")
    assert f"--index-url {CPU} torch" in text
    assert text.index(CPU) < text.index("-e .")
    assert "taking PyPI's, which is larger" in text


def test_with_a_gpu_it_comes_from_pypi() -> None:
    assert CPU not in recipe("GPUS=/dev/nvidiactl")
    assert 'test -z ""' in recipe("GPUS=/dev/nvidiactl")


def test_compiled_modules_are_kept_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    show = ["--eval", "show: ; @echo [$$PYTHONDONTWRITEBYTECODE]", "show"]
    shown = subprocess.run(
        ["make", "--no-print-directory", *show], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert shown == "[]\n"


def test_an_index_can_be_named_or_left_out() -> None:
    assert "--index-url https://example.org/rocm torch" in recipe("TORCH_INDEX=https://example.org/rocm")
    assert CPU not in recipe("GPUS=", "TORCH_INDEX=")


def test_browsers_are_used_where_make_looks_for_their_tests() -> None:
    marked = [path for path in ROOT.glob("tests/**/test_*.py") if "mark.browser" in path.read_text()]
    here = Path(__file__)
    assert [str(path) for path in marked if path != here and ROOT / "tests" / "app" not in path.parents] == []
    assert 'and browser" tests/app' in (ROOT / "Makefile").read_text()
