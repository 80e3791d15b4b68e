"""The value of a field that holds latents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.input_latents import InputLatents
from limelight.pipeline.requests.values import Value


@dataclass(frozen=True)
class LatentValue(Value):
    """Latents, `1 c h w`."""

    is_stored = False

    def check(self, name: str, value: Any) -> InputLatents:
        return InputLatents.read(name, value)

    def recall(self, name: str, stored: Any, given: Any) -> InputLatents:
        if not isinstance(stored, Mapping) or not isinstance(stored.get("sha256"), str):
            raise RequestError(f"the stored {name} have no sha256; give the tensor itself as {name}")
        if given is None:
            raise RequestError(
                f"the picture was made from {name} with sha256 {stored['sha256'][:12]}, which are not "
                f"stored; give them again (in Python {name}=)"
            )
        latents = InputLatents.read(name, given)
        if latents.sha256 != stored["sha256"]:
            raise RequestError(
                f"{name} have sha256 {latents.sha256[:12]}; the picture was made from {stored['sha256'][:12]}"
            )
        return latents
