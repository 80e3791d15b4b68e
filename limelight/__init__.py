"""Text-to-image diffusion in which a word lights up its part of the picture while it is drawn.

The public names are loaded when they are first used: importing this package costs nothing.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from limelight.attention import BackendRefused as BackendRefused
    from limelight.attention import BadOrder as BadOrder
    from limelight.attention import UnknownBackend as UnknownBackend
    from limelight.attention import attend as attend
    from limelight.errors import LimelightError as LimelightError
    from limelight.errors import UsageError as UsageError
    from limelight.pipeline import GenerationRequest as GenerationRequest
    from limelight.pipeline import Result as Result
    from limelight.pipeline import Step as Step
    from limelight.pipeline import TextToImagePipeline as TextToImagePipeline
    from limelight.pipeline.describer.load import load_describer as load_describer
    from limelight.pipeline.errors import AdapterError as AdapterError
    from limelight.pipeline.errors import ModelError as ModelError
    from limelight.pipeline.errors import OutputError as OutputError
    from limelight.pipeline.errors import PictureError as PictureError
    from limelight.pipeline.errors import RequestError as RequestError
    from limelight.pipeline.errors import UnknownName as UnknownName
    from limelight.pipeline.requests.steering import HeadScale as HeadScale
    from limelight.pipeline.requests.steering import Painted as Painted
    from limelight.pipeline.requests.steering import Region as Region
    from limelight.unet import UNet as UNet
    from limelight.unet import UNetConfigError as UNetConfigError
    from limelight.unet import WeightsError as WeightsError

_HOMES = {
    "AdapterError": "limelight.pipeline.errors",
    "BackendRefused": "limelight.attention",
    "BadOrder": "limelight.attention",
    "GenerationRequest": "limelight.pipeline",
    "HeadScale": "limelight.pipeline.requests.steering",
    "LimelightError": "limelight.errors",
    "ModelError": "limelight.pipeline.errors",
    "OutputError": "limelight.pipeline.errors",
    "Painted": "limelight.pipeline.requests.steering",
    "PictureError": "limelight.pipeline.errors",
    "Region": "limelight.pipeline.requests.steering",
    "RequestError": "limelight.pipeline.errors",
    "Result": "limelight.pipeline",
    "Step": "limelight.pipeline",
    "TextToImagePipeline": "limelight.pipeline",
    "UNet": "limelight.unet",
    "UNetConfigError": "limelight.unet",
    "UnknownBackend": "limelight.attention",
    "UnknownName": "limelight.pipeline.errors",
    "UsageError": "limelight.errors",
    "WeightsError": "limelight.unet",
    "attend": "limelight.attention",
    "load_describer": "limelight.pipeline.describer.load",
}
__all__ = [*_HOMES, "__version__"]

_HERE = Path(__file__).parent
if not (_HERE / "pipeline").is_dir():  # a checkout without symbolic links has small text files in their place
    __path__.append(str(_HERE.parent))


def __getattr__(name: str) -> Any:
    if name == "__version__":
        try:
            return version("limelight")
        except PackageNotFoundError:  # a checkout that was not installed
            return "unknown"
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
