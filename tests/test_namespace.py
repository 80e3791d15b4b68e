"""`limelight` is one package, whatever stands in the current folder and however it was checked out."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import limelight

ROOT = Path(__file__).parents[1]
PACKAGES = ("attention", "unet", "pipeline", "app")
DECOY = "raise RuntimeError('a file of the user was imported')\n"
DRAW = (
    "from limelight import TextToImagePipeline; import limelight.pipeline\n"
    "pipe = TextToImagePipeline.from_pretrained('default', device='cpu')\n"
    "result = pipe('a red apple', seed=1, num_steps=2)\n"
    "result.save('apple.png'); print(limelight.pipeline.__file__)"
)


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """A folder whose files have the names of the packages."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("pipeline", "app"):
        (folder / f"{name}.py").write_text(DECOY)
    for name in ("unet", "attention"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(DECOY)
    return folder


def run(folder: Path, source: Path, *command: str) -> str:
    env = os.environ | {"PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def draws(folder: Path, source: Path) -> None:
    where = run(folder, source, "-c", DRAW)
    assert where.startswith(str(source)), "another installation was imported"
    assert (folder / "apple.png").stat().st_size > 1000


def test_the_public_names_are_there() -> None:
    for name in limelight.__all__:
        assert getattr(limelight, name) is not None
    assert dir(limelight) == sorted(limelight.__all__)
    with pytest.raises(AttributeError, match="module 'limelight' has no attribute 'TextToImage'"):
        _ = limelight.TextToImage


def test_importing_it_costs_nothing(tmp_path: Path) -> None:
    said = run(
        tmp_path, ROOT, "-c", "import sys, limelight; print('torch' in sys.modules, limelight.__version__)"
    )
    assert said.split()[0] == "False"


@pytest.mark.long
def test_files_of_the_user_change_nothing(decoys: Path) -> None:
    draws(decoys, ROOT)


@pytest.mark.long
def test_a_checkout_without_symbolic_links_draws(decoys: Path, tmp_path: Path) -> None:
    """Git writes a link as a text file that holds its target where links cannot be made."""
    clone = tmp_path / "clone"
    (clone / "limelight").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py", "errors.py"):
        shutil.copy(ROOT / "limelight" / name, clone / "limelight" / name)
    for name in PACKAGES:
        (clone / "limelight" / name).write_text(f"../{name}")
        (clone / name).symlink_to(ROOT / name, target_is_directory=True)
    draws(decoys, clone)
    assert "usage" in run(decoys, clone, "-m", "limelight", "--help").lower()


@pytest.mark.slow
def test_the_wheel_holds_limelight_alone_and_draws(decoys: Path, tmp_path: Path) -> None:
    command = ["-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run([sys.executable, *command], check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        file.extractall(tmp_path / "site")
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"limelight"}
    for name in ("py.typed", "pipeline/default_model/model_index.json", "app/ui/static/scripts/viewer.js"):
        assert f"limelight/{name}" in names
    draws(decoys, tmp_path / "site")
