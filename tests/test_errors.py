"""Every error has one base class, and those that a caller meets are exported by `limelight`."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import limelight
from limelight.errors import LimelightError, UsageError

INSTALLED_APART = ("xformers", "flash", "triton", "ray")  # modules that need an optional package


def defined_errors() -> dict[str, type[Exception]]:
    """The exceptions that Limelight defines, warnings excepted."""
    found: dict[str, type[Exception]] = {}
    for package in ("attention", "unet", "pipeline", "app"):
        root = importlib.import_module(f"limelight.{package}")
        for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
            if info.name.endswith("__main__") or any(name in info.name for name in INSTALLED_APART):
                continue
            for name, value in vars(importlib.import_module(info.name)).items():
                is_error = inspect.isclass(value) and issubclass(value, Exception)
                if is_error and value.__module__.startswith("limelight.") and not issubclass(value, Warning):
                    found[name] = value
    return found


def test_every_error_has_the_base() -> None:
    errors = defined_errors()
    assert len(errors) > 20
    assert [name for name, error in errors.items() if not issubclass(error, LimelightError)] == []


def test_named_errors_are_exported() -> None:
    names = (
        "AdapterError BackendRefused BadOrder ModelError OutputError PictureError RequestError "
        "UNetConfigError UnknownBackend UnknownName UsageError WeightsError"
    )
    for name in names.split():
        assert issubclass(getattr(limelight, name), LimelightError)
    refused = (
        "UsageError",
        "BackendRefused",
        "BadOrder",
        "UnknownBackend",
        "UNetConfigError",
        "WeightsError",
    )
    for name in refused:
        assert issubclass(getattr(limelight, name), UsageError)
        assert issubclass(getattr(limelight, name), ValueError)


def test_attention_needs_no_higher_package() -> None:
    code = (
        "import sys, limelight.attention\n"
        "try: limelight.attention.get('nonsense')\n"
        "except limelight.LimelightError as error: print(error)\n"
        "higher = ('limelight.unet', 'limelight.pipeline', 'limelight.app')\n"
        "print([name for name in sys.modules if name.startswith(higher)])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "unknown attention backend 'nonsense'" in done.stdout
    assert done.stdout.endswith("[]\n")
