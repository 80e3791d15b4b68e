"""An enlarger comes from a model's folder or from a file; what is none is refused in words."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from limelight.pipeline.enlarging.load import CONFIG, FOLDER, WEIGHTS, load_enlarger, own_enlarger
from limelight.pipeline.enlarging.network import EnlargerNetwork
from limelight.pipeline.errors import ModelError, UsageError
from limelight.unet import WeightsError

CPU = torch.device("cpu")
SIZES = {"channels": 8, "depth": 1}


def saved(folder: Path) -> Path:
    """A folder with an enlarger of random weights, which begins as an interpolation."""
    folder.mkdir(parents=True)
    save_file(EnlargerNetwork(**SIZES).half().state_dict(), folder / WEIGHTS)
    (folder / CONFIG).write_text(json.dumps(SIZES))
    return folder


def test_a_models_own_is_found(tmp_path: Path) -> None:
    saved(tmp_path / "model" / FOLDER)
    found = own_enlarger(tmp_path / "model", CPU)
    assert found is not None and (found.name, found.scale, len(found.sha256)) == ("model", 4, 64)
    image = Image.new("RGB", (12, 7), (40, 90, 200))
    assert found.enlarge(image, 4).getcolors() == [(48 * 28, (40, 90, 200))]
    assert own_enlarger(tmp_path, CPU) is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [(CONFIG, "{}", "holds no enlarger"), (CONFIG, "[", CONFIG), (WEIGHTS, "", "holds no enlarger")],
)
def test_a_folder_that_is_none_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    folder = saved(tmp_path / "model")
    (folder / name).write_text(text)
    with pytest.raises(ModelError, match=message):
        load_enlarger(folder, CPU)


@pytest.mark.parametrize(
    ("name", "message"), [("none.safetensors", "does not exist"), ("a.pth", "can run programs")]
)
def test_files_that_are_not_safe_or_not_there_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "a.pth").write_bytes(b"x")
    with pytest.raises(UsageError, match=message):
        load_enlarger(tmp_path / name, CPU)


def package(monkeypatch: pytest.MonkeyPatch, found: object) -> None:
    """Puts a stand-in in the place of spandrel; it loads `found`."""

    class Loader:
        def __init__(self, device: torch.device) -> None:
            pass

        def load_from_file(self, path: Path) -> object:
            if isinstance(found, Exception):
                raise found
            return found

    fake = ModuleType("spandrel")
    fake.__dict__.update(ModelLoader=Loader, ImageModelDescriptor=Descriptor)
    monkeypatch.setitem(sys.modules, "spandrel", fake)


class Descriptor(SimpleNamespace):
    def eval(self) -> "Descriptor":
        return self

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return F.interpolate(x, scale_factor=float(self.scale))


def descriptor(**other: object) -> Descriptor:
    sizes = SimpleNamespace(multiple_of=4)
    return Descriptor(
        **{"scale": 2, "input_channels": 3, "output_channels": 3, "size_requirements": sizes} | other
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file({"a": torch.zeros(1)}, tmp_path / "x2.safetensors")
    return tmp_path / "x2.safetensors"


def test_a_file_is_read_by_spandrel(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(monkeypatch, descriptor())
    found = load_enlarger(file, CPU)
    assert (found.name, found.scale, found.multiple) == ("x2", 2, 4)
    assert found.enlarge(Image.new("RGB", (5, 3), "red"), 2).getcolors() == [(60, (255, 0, 0))]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (RuntimeError("unknown architecture"), "holds no enlarger that spandrel knows: unknown architecture"),
        (SimpleNamespace(scale=4), "no enlarger of colour pictures by 2 to 8"),
        (descriptor(scale=1), "no enlarger of colour pictures by 2 to 8"),
        (descriptor(input_channels=1), "enlarges 1 channels; pictures have 3"),
    ],
)
def test_a_file_that_is_none_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, given: object, message: str
) -> None:
    package(monkeypatch, given)
    with pytest.raises(ModelError, match=message):
        load_enlarger(file, CPU)


def test_a_file_that_is_damaged_is_refused_before_spandrel_reads_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(monkeypatch, descriptor())
    file.write_bytes(b"PK\x03\x04 not safetensors")
    with pytest.raises(WeightsError):
        load_enlarger(file, CPU)


def test_a_missing_package_is_named(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(UsageError, match=r"pip install 'limelight\[enlarge\]'"):
        load_enlarger(file, CPU)
