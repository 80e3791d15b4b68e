"""The front door: from prompts to pictures."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import torch

from attention import AttentionOrder
from pipeline.device import choose_device, choose_dtype
from pipeline.engine import Engine
from pipeline.locate import locate_model
from pipeline.model import Model, load_model
from pipeline.request import GenerationRequest
from pipeline.result import Result, Step
from pipeline.save import save_model
from pipeline.single_file import load_single_file


class TextToImagePipeline:
    """Draws pictures from prompts with one model.

    Args:
        attention: which backend each attention site takes; None leaves the choice to what runs best here.
        max_rows: predictions in one U-Net call; a guided request takes two.
    """

    def __init__(
        self, model: Model, *, attention: AttentionOrder | str | None = None, max_rows: int = 8
    ) -> None:
        order = AttentionOrder.parse(attention) if isinstance(attention, str) else attention
        self.model = model
        self.engine = Engine(model, order, max_rows=max_rows)

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] = "default",
        *,
        device: str | None = None,
        dtype: str | torch.dtype | None = None,
        variant: str | None = None,
        attention: AttentionOrder | str | None = None,
        max_rows: int = 8,
    ) -> "TextToImagePipeline":
        """A pipeline around a model that is on disk.

        Args:
            name: `default`, a folder in diffusers layout, a single .safetensors file, or a hub id.
            device: as torch names it; None takes a GPU if there is one.
            dtype: None is float16 on a GPU and float32 on a CPU.
            variant: of the weight files, such as `fp16`.

        Raises:
            UsageError: the name, the device or the folder is not right.
            WeightsError: a weight file is truncated, not safetensors, or does not fit.
        """
        order = AttentionOrder.parse(attention) if isinstance(attention, str) else attention
        path, target = locate_model(name), choose_device(device)
        kind = choose_dtype(dtype, target)
        if path.is_file():
            model = load_single_file(path, name=os.fspath(name), device=target, dtype=kind)
        else:
            model = load_model(path, name=os.fspath(name), device=target, dtype=kind, variant=variant)
        return cls(model, attention=order, max_rows=max_rows)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the model as a folder in diffusers layout, which diffusers loads too.

        Raises:
            OutputError: there is something in `folder` already, or it cannot be written to.
        """
        return save_model(self.model, Path(folder))

    @overload
    def __call__(self, prompt: str, **fields: Any) -> Result: ...
    @overload
    def __call__(self, prompt: GenerationRequest) -> Result: ...
    @overload
    def __call__(self, prompt: Sequence[GenerationRequest]) -> list[Result]: ...
    def __call__(
        self, prompt: str | GenerationRequest | Sequence[GenerationRequest], **fields: Any
    ) -> Result | list[Result]:
        """The picture of a prompt or request, or the pictures of several, in their order.

        Args:
            fields: of the `GenerationRequest`, when `prompt` is text.

        Raises:
            PictureError: a picture could not be drawn.
        """
        if isinstance(prompt, str):
            prompt = GenerationRequest(prompt=prompt, **fields)
        elif fields:
            raise TypeError(f"{', '.join(fields)} given beside a request; set them in the request")
        requests = [prompt] if isinstance(prompt, GenerationRequest) else list(prompt)
        results: dict[int, Result] = {}
        for step in self.stream(requests):
            if step.error is not None:
                raise step.error
            if step.result is not None:
                results[step.id] = step.result
        ordered = [results[i] for i in range(len(requests))]
        return ordered[0] if isinstance(prompt, GenerationRequest) else ordered

    def stream(self, requests: Iterable[GenerationRequest]) -> Iterator[Step]:
        """Draws requests together, a `Step` for each prediction; stop iterating to cancel."""
        return self.engine.run(requests)
