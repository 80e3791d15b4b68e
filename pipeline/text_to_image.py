"""The main class: draws pictures from prompts."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, overload

import torch
from PIL import Image

from limelight.attention import AttentionOrder
from limelight.pipeline.adapters.files import AdapterFile
from limelight.pipeline.enlarging.load import load_enlarger
from limelight.pipeline.errors import AdapterError, RequestError, UsageError
from limelight.pipeline.models.device import check_offload, choose_device, choose_dtype, take_turns
from limelight.pipeline.models.folder import load_model
from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.models.model import Model
from limelight.pipeline.models.save import save_model
from limelight.pipeline.models.single_file.load import load_single_file
from limelight.pipeline.reading.change_mask import change_mask
from limelight.pipeline.reading.check import Check, check_image
from limelight.pipeline.reading.word_mask import word_mask
from limelight.pipeline.requests.fields import RequestFields
from limelight.pipeline.requests.fields.hints import check_names
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.result import Result, Step
from limelight.pipeline.sampling.compiled import Graphs, options_of
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.sampling.sampler import ChangeOf


class TextToImagePipeline:
    """Draws pictures from prompts with one model.

    Args:
        attention: the backend of each attention site; None chooses the best ones here.
        max_rows: predictions in one U-Net call; a guided request takes two.
        exact: whether to draw the same bits in every run. Then each request has its own U-Net calls, and no
            choice depends on measured speed. `from_pretrained` loads the model accordingly.
        compile: whether to compile the U-Net by `torch.compile`, or its mode, or "cudagraphs", which compiles
            nothing and starts the same kernels together. A graph takes up to minutes, and there is one for
            each of a few numbers of rows, see `sampling.compiled`.
    """

    def __init__(
        self,
        model: Model,
        *,
        attention: AttentionOrder | str | None = None,
        max_rows: int = 8,
        exact: bool = False,
        compile: bool | str = False,
    ) -> None:
        order = AttentionOrder.parse(attention) if isinstance(attention, str) else attention
        if exact:  # without an order, do not choose by measured speed
            order = order or AttentionOrder()
            order = replace(order, everywhere=order.everywhere or "sdpa")
        self.model = model
        graphs = Graphs(model.unet, max_rows, **options_of(compile)) if compile else None
        self.engine = Engine(model, order, max_rows=max_rows, exact=exact, graphs=graphs)
        self._streams = 0  # streams in progress, which need the weights unchanged

    def __repr__(self) -> str:
        model, unet = self.model, self.model.unet
        dtype = str(unet.dtype).removeprefix("torch.")
        return f"TextToImagePipeline({model.name!r}, {model.family.name}, {unet.device.type}, {dtype})"

    @classmethod
    def from_pretrained(
        cls,
        name: str | os.PathLike[str] = "default",
        *,
        device: str | None = None,
        dtype: str | torch.dtype | None = None,
        variant: str | None = None,
        vae: str | os.PathLike[str] | None = None,
        attention: AttentionOrder | str | None = None,
        max_rows: int = 8,
        exact: bool = False,
        compile: bool | str = False,
        adapters: Iterable[AdapterFile] = (),
        offload: bool = False,
        enlarger: str | os.PathLike[str] | None = None,
    ) -> "TextToImagePipeline":
        """Loads a model from disk.

        Args:
            name: `default`, a folder in diffusers layout, a single .safetensors file, or a hub id.
            device, dtype: None takes a GPU if there is one, with float16, and else a CPU with float32.
            adapters: LoRAs and textual inversions to use; `load_lora` and `load_embedding` add more.
            offload: whether to keep the parts in main memory and move each to the GPU only while it is used.
            variant: of the weight files, such as `fp16`; None takes the plain ones, or the only variant.
            vae: the folder or .safetensors file of another VAE, also for a checkpoint without one.
            enlarger: the .safetensors file of an ESRGAN or its like, or a folder; None takes the model's own.
            compile: as in the class.

        Raises:
            UsageError: the name, device or folder is wrong, or options exclude each other.
            WeightsError: a weight file is truncated, not safetensors, or does not fit.
        """
        order = AttentionOrder.parse(attention) if isinstance(attention, str) else attention
        path, label, target = locate_model(name), os.fspath(name), choose_device(device)
        other = None if vae is None else Path(vae).expanduser()
        if offload:
            check_offload(target)
            if compile:
                raise UsageError("compile and offload are both given; a part that moves does not compile")
        home, kind = torch.device("cpu") if offload else target, choose_dtype(dtype, target)
        if path.is_file():
            model = load_single_file(path, name=label, device=home, dtype=kind, vae=other, exact=exact)
        else:
            model = load_model(
                path,
                name=label,
                device=home,
                dtype=kind,
                variant=variant,
                vae=other,
                exact=exact,
            )
        for file in adapters:
            model.adapters.add(file)
        if enlarger is not None:
            model.enlarger = load_enlarger(Path(enlarger).expanduser(), target)
        if offload:
            take_turns(model, target)
        return cls(model, attention=order, max_rows=max_rows, exact=exact, compile=compile)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> Path:
        """Writes the model, its words and licences as a folder in diffusers layout, as diffusers loads it.

        Raises:
            OutputError: `folder` is not empty, or cannot be written to.
        """
        return save_model(self.model, Path(folder))

    @overload
    def __call__(self, prompt: str, **fields: Unpack[RequestFields]) -> Result: ...
    @overload
    def __call__(self, prompt: GenerationRequest) -> Result: ...
    @overload
    def __call__(self, prompt: Sequence[GenerationRequest]) -> list[Result]: ...
    def __call__(
        self, prompt: str | GenerationRequest | Sequence[GenerationRequest], **fields: Any
    ) -> Result | list[Result]:
        """The picture of a prompt or request, or the pictures of several, in their order.

        Args:
            fields: fields of the `GenerationRequest`, if `prompt` is text.

        Raises:
            RequestError: a field is unknown or out of range; nothing was drawn.
            PictureError: a picture could not be drawn.
        """
        requests = [request.opened() for request in _requests(prompt, fields)]
        results: dict[int, Result] = {}
        for step in self.stream(requests):
            if step.error is not None:
                raise step.error
            if step.result is not None:
                results[step.id] = step.result
        ordered = [results[i] for i in range(len(requests))]
        return ordered[0] if isinstance(prompt, str | GenerationRequest) else ordered

    def stream(
        self, requests: Iterable[GenerationRequest], *, change: ChangeOf | None = None
    ) -> Iterator[Step]:
        """Draws requests together, a `Step` for each prediction; stop iterating to cancel.

        Args:
            change: is called after each scheduler step with the request's position among those given, the
                step of its pass, from 0, and the latent, 1 c h w; it may return another in its place. The
                record of the picture says so.
        """
        self._streams += 1
        try:
            yield from self.engine.run(requests, change)
        finally:
            self._streams -= 1

    def word_mask(
        self, image: Source, words: str, *, prompt: str | None = None, grow: int = 1
    ) -> Image.Image:
        """White where an image shows what words name, black elsewhere: a mask to draw that part again.

        Args:
            prompt: describes the image and contains `words`; None is the words alone.
            grow: positions of the finest attention grid by which the mask is made wider on each side.

        Raises:
            RequestError: the image cannot be read.
            NoSuchMap: the prompt does not contain the words.
        """
        return word_mask(self.engine, image, words, words if prompt is None else prompt, grow=grow)

    def change_mask(self, image: Source, prompt: str, other: str, *, grow: int = 1) -> Image.Image:
        """White where an image would change if it were described by other words (DiffEdit).

        Args:
            prompt: describes the image.
            other: describes what it should become.
            grow: as in `word_mask`.

        Raises:
            RequestError: the image cannot be read.
            PictureError: the model overflowed.
        """
        return change_mask(self.engine, image, prompt, other, grow=grow)

    def check(self, image: Source, prompt: str, *, seed: int = 0) -> Check:
        """How well every word of a prompt fits an image, which is made smaller if it is large for the model.

        Args:
            seed: of the noise that the model looks through.

        Raises:
            RequestError: the image cannot be read, or the model does not draw from words alone.
        """
        return check_image(self.engine, image, prompt, seed)

    def load_lora(
        self, path: str | os.PathLike[str], weight: float = 1.0, *, name: str | None = None
    ) -> None:
        """Adds a LoRA to those in use.

        Args:
            path: a .safetensors file as PEFT, diffusers or kohya's scripts write it, or a folder with one.
            weight: multiplies its effect; -10 to 10.
            name: used to unload it; by default the file's name without suffix.

        Raises:
            AdapterError: it is not for this model, or pictures are being drawn.
            WeightsError: the file is truncated, damaged, or not safetensors.
        """
        self._check_idle()
        self.model.adapters.add_lora(Path(path), weight=weight, name=name)

    def unload_lora(self, name: str | None = None) -> None:
        """Removes one LoRA, or all. Without LoRAs the weights have their original bits.

        Raises:
            AdapterError: no LoRA of that name is in use, or pictures are being drawn.
        """
        self._check_idle()
        self.model.adapters.remove_lora(name)

    def load_embedding(self, path: str | os.PathLike[str], *, word: str | None = None) -> str:
        """Teaches the model the word of a textual inversion, for use in prompts, and returns the word.

        Args:
            path: a .safetensors file as diffusers, A1111 or trainers for SDXL write it.
            word: by default the key in the file, or else the file's name without suffix.

        Raises:
            AdapterError: it is not for this model, or pictures are being drawn.
            WeightsError: the file is truncated, damaged, or not safetensors.
        """
        self._check_idle()
        return self.model.adapters.add_embedding(Path(path), word=word)

    def unload_embedding(self, word: str | None = None) -> None:
        """Removes the word of a textual inversion, or all of them.

        Raises:
            AdapterError: no embedding has this word, or pictures are being drawn.
        """
        self._check_idle()
        self.model.adapters.remove_embedding(word)

    def _check_idle(self) -> None:
        if self._streams:
            raise AdapterError(
                f"{self._streams} streams are being drawn with these weights; finish or close them first"
            )


def _requests(prompt: Any, fields: dict[str, Any]) -> list[GenerationRequest]:
    """The requests of `pipe(prompt, **fields)`.

    Raises:
        RequestError: the arguments are invalid; the message says what to write.
    """
    if isinstance(prompt, str):
        check_names(fields)
        return [GenerationRequest(prompt=prompt, **fields)]
    if not isinstance(prompt, Iterable | GenerationRequest):
        raise RequestError(f"prompt is {prompt!r}; must be text, a GenerationRequest, or a list of them")
    requests = [prompt] if isinstance(prompt, GenerationRequest) else list(prompt)
    for each in requests:
        if not isinstance(each, GenerationRequest):
            raise RequestError(
                f"the list has {each!r}, which is no GenerationRequest; for several prompts write "
                "pipe([GenerationRequest(prompt=prompt) for prompt in prompts])"
            )
    if fields:
        raise RequestError(f"{', '.join(fields)} given together with a request; set them in the request")
    return requests
