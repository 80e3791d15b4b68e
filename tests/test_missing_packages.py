"""Drawing needs neither the page nor the packages of the extras."""

import subprocess
import sys

import pytest

BLOCKED = (
    "gradio",
    "gradio_client",
    "xformers",
    "flash_attn",
    "peft",
    "ray",
    "matplotlib",
    "typer",
    "rich",
    "pyarrow",
)
SCRIPT = """
import importlib, pkgutil, sys
from importlib.machinery import PathFinder
class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {blocked!r} else super().find_spec(name, path, target)
sys.meta_path = [Installed if finder is PathFinder else finder for finder in sys.meta_path]
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if module.name != "limelight.attention.backends.triton_kernels":  # of a package that is not everywhere
        importlib.import_module(module.name)
loaded = [name for name in {blocked!r} if name in sys.modules]
assert not loaded, loaded
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "package", ["limelight.attention", "limelight.unet", "limelight.pipeline", "scripts.gpu"]
)
def test_every_module_imports_without(package: str) -> None:
    script = SCRIPT.format(blocked=BLOCKED, package=package)
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
