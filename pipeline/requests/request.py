"""What is asked for: everything that decides how one picture comes out, checked before any work."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import Any, Literal

from PIL import Image

from limelight.pipeline.errors import RequestError, UnknownName
from limelight.pipeline.requests.checks import (
    check_integer,
    check_mask,
    check_memory,
    check_number,
    check_size,
    check_strength,
    check_text,
)
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.input_image import SIZE_MULTIPLE, InputImage, fit, recall
from limelight.pipeline.requests.schedulers import scheduler_name

MAX_STEPS = 1000  # the number of timesteps that Stable Diffusion models are trained on
MAX_SEED = 2**63 - 1  # the largest that torch.Generator reproduces on every platform
MAX_GUIDANCE = 100.0
MAX_COUNT = 10_000
MAX_CLIP_SKIP = 100  # a model has fewer layers, and says how many
MAX_HIRES_SCALE = 8.0
MAX_CACHE_INTERVAL = 20  # the largest of the paper's own measurements

Record = bool | Literal["grid", "site", "head"]
RECORD_EXTRAS = ("negative", "steps", "values", "refined")
Source = InputImage | Image.Image | str | PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One picture. `None` means the model's own value; `resolved` puts that in.

    Args:
        seed: of the initial noise, 0 to 2^63 - 1.
        width, height: of the picture, in pixels; multiples of 8.
        num_steps: scheduler steps, 1 to 1000.
        guidance_scale: classifier-free guidance, `eps_negative + scale * (eps_prompt - eps_negative)`; at 1
            or below the negative prompt has no part and is not computed (Ho & Salimans, arXiv:2207.12598).
        clip_skip: which layer of the text encoder the prompt is taken from: 1 is the one that the model was
            trained with, 2 the one before it (diffusers' `clip_skip` plus 1). The negative prompt is taken
            from the model's own layer, as in diffusers.
        guidance_rescale: 0 to 1, how far a guided prediction takes the spread of the prompt's own
            (Lin et al., arXiv:2305.08891, section 3.4).
        guidance_start, guidance_end: fractions of the steps between which guidance acts; outside them the
            negative prompt is not computed (Kynkäänniemi et al., arXiv:2404.07724).
        scheduler: a name from `pipeline.schedulers.SCHEDULERS`, or AUTOMATIC1111's label of it.
        image: to begin from, or to edit with a model that edits images: a PIL image, or the path of a file.
            The picture takes its shape: without width and height its size, each side down to a multiple of 8;
            with one of them, the other follows; with both, they must have its shape. It is resized to that.
        mask: of the image's size; white where the picture is drawn anew, black where it stays.
        strength: above 0, to 1, how far the image is redrawn: the part of the steps that are taken. None is
            0.8, or 1 with a mask.
        image_guidance_scale: how closely a model that edits images keeps to the image; None is 1.5.
        hires_scale: draws the picture, makes it this much larger, and goes over it with `hires_strength`.
        hires_strength: as `strength`, of the second pass; None is 0.5.
        lossy_cache_interval: 1 is exact. Above it, to 20, pictures come sooner and are not the same: one
            prediction of so many is computed whole, and those between take its deep feature for theirs
            (DeepCache: Ma et al., arXiv:2312.00858). What is lost: docs/benchmarks/lossy-cpu.md.
        record: which cross-attention maps to keep; with a second pass, those of the first, which composes.
            A prediction that takes another's deep feature has its maps too.
        record_extras: what to keep beside them: `negative` (the negative prompt's), `steps` (sites and heads
            of each prediction), `values` (weighted by what each token contributes), `refined` (spread by
            self-attention, on grids of up to 32x32).
        record_points: pixels (x, y) of the finished picture whose self-attention is kept, one row for each
            site.
        record_queries: predictions, from 0, whose queries are kept, to ask for words that are not in the
            prompt.
        expansion: what the prompt was, and how a language model came to make it longer; for the record.

    Raises:
        RequestError: a field is out of its range, or an image cannot be used.
        UnknownName: there is no such scheduler.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    width: int | None = None
    height: int | None = None
    num_steps: int = 25
    guidance_scale: float | None = None
    scheduler: str | None = None
    record: Record = False
    clip_skip: int = 1
    guidance_rescale: float = 0.0
    guidance_start: float = 0.0
    guidance_end: float = 1.0
    image: Source | None = None
    mask: Source | None = None
    strength: float | None = None
    image_guidance_scale: float | None = None
    hires_scale: float | None = None
    hires_strength: float | None = None
    lossy_cache_interval: int = 1
    record_extras: tuple[str, ...] = ()
    record_points: tuple[tuple[int, int], ...] = ()
    record_queries: tuple[int, ...] = ()
    expansion: Expansion | None = None

    def __post_init__(self) -> None:
        if self.record is True:
            object.__setattr__(self, "record", "grid")
        for name in ("prompt", "negative_prompt"):
            check_text(name, getattr(self, name))
        check_integer("seed", self.seed, 0, MAX_SEED)
        check_integer("num_steps", self.num_steps, 1, MAX_STEPS)
        check_integer("clip_skip", self.clip_skip, 1, MAX_CLIP_SKIP)
        check_integer("lossy_cache_interval", self.lossy_cache_interval, 1, MAX_CACHE_INTERVAL)
        for name in ("width", "height"):
            check_size(name, getattr(self, name))
        self._take_images()
        self._check_hires()
        check_memory(*self.final_size)
        self._check_guidance()
        if self.scheduler is not None:
            object.__setattr__(self, "scheduler", scheduler_name(self.scheduler))
        if self.record not in (False, "grid", "site", "head"):
            raise RequestError(f"record is {self.record!r}; must be False, 'grid', 'site' or 'head'")
        for name, value in _checked_record(self).items():
            object.__setattr__(self, name, value)
        if self.expansion is not None:
            expansion = Expansion.of(self.expansion)
            expansion.check(self.prompt)
            object.__setattr__(self, "expansion", expansion)

    def _take_images(self) -> None:
        """Reads the images, and lets the picture's size follow from them."""
        if self.image is None:
            for name in ("mask", "strength", "image_guidance_scale"):
                if getattr(self, name) is not None:
                    raise RequestError(
                        f"{name} is given and image is not; give an image, or leave {name} out"
                    )
            return
        image = InputImage.read("image", self.image, "RGB")
        width, height = fit(image, self.width, self.height)
        for name, value in (("image", image), ("width", width), ("height", height)):
            object.__setattr__(self, name, value)
        if self.mask is not None:
            mask = InputImage.read("mask", self.mask, "L")
            check_mask(mask, image)
            object.__setattr__(self, "mask", mask)
        if self.strength is not None:
            check_strength("strength", self.strength, self.num_steps)
        if self.image_guidance_scale is not None:
            check_number("image_guidance_scale", self.image_guidance_scale, 1, MAX_GUIDANCE)

    def _check_hires(self) -> None:
        if self.hires_scale is None:
            if self.hires_strength is not None:
                raise RequestError(
                    "hires_strength is given and hires_scale is not; give both, or leave hires_strength out"
                )
            return
        check_number("hires_scale", self.hires_scale, 1, MAX_HIRES_SCALE)
        if self.mask is not None:
            raise RequestError(
                "hires_scale and mask are given; a masked picture has no second pass: give one"
            )
        if self.hires_strength is None:
            object.__setattr__(self, "hires_strength", 0.5)
        check_strength("hires_strength", self.hires_strength, self.num_steps)

    def _check_guidance(self) -> None:
        if self.guidance_scale is not None:
            check_number("guidance_scale", self.guidance_scale, 0, MAX_GUIDANCE)
        for name in ("guidance_rescale", "guidance_start", "guidance_end"):
            check_number(name, getattr(self, name), 0, 1)
        if self.guidance_start >= self.guidance_end:
            raise RequestError(
                f"guidance_start is {self.guidance_start} and guidance_end {self.guidance_end}; "
                "the start must be smaller (to have no guidance, set guidance_scale to 1)"
            )

    @property
    def final_size(self) -> tuple[int | None, int | None]:
        """Width and height of the finished picture: with a second pass, larger than those of the first."""
        return self._enlarged(self.width), self._enlarged(self.height)

    def _enlarged(self, side: int | None) -> int | None:
        if side is None or self.hires_scale is None:
            return side
        return round(side * self.hires_scale / SIZE_MULTIPLE) * SIZE_MULTIPLE

    @property
    def is_guided(self) -> bool:
        return self.guidance_scale is None or self.guidance_scale > 1

    def resolved(
        self, *, width: int, height: int, guidance_scale: float, scheduler: str
    ) -> "GenerationRequest":
        """The same request with the model's values in the fields that were left open."""
        return replace(
            self,
            width=self.width or width,
            height=self.height or height,
            guidance_scale=guidance_scale if self.guidance_scale is None else self.guidance_scale,
            scheduler=self.scheduler or scheduler,
        )

    def repeated(self, count: int) -> "list[GenerationRequest]":
        """`count` requests that differ in their seeds: seed, seed + 1, ..."""
        check_integer("count", count, 1, MAX_COUNT)
        check_integer("seed + count - 1", self.seed + count - 1, 0, MAX_SEED)
        return [replace(self, seed=self.seed + i) for i in range(count)]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON gives them back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {k: _as_json(v) for k, v in values.items()}

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], *, image: Source | None = None, mask: Source | None = None
    ) -> "GenerationRequest":
        """A request from stored fields, held to the same limits as one that was typed.

        Args:
            image, mask: those that it was made with, of which it stores size and content hash alone.

        Raises:
            RequestError: a field is unknown, missing or out of its range, or an image is not the same.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise RequestError(f"unknown fields {unknown}; known: {', '.join(sorted(known))}")
        if "prompt" not in values:
            raise RequestError("the field prompt is missing")
        images = {}
        for name, source, mode in (("image", image, "RGB"), ("mask", mask, "L")):
            if values.get(name) is not None:
                images[name] = recall(name, values[name], source, mode)
            elif source is not None:
                raise RequestError(f"{name} is given and the picture was made without one; leave it out")
        return cls(**(dict(values) | images))


def _checked_record(request: GenerationRequest) -> dict[str, tuple[Any, ...]]:
    """The fields that say what to record beside `record`, as tuples whatever they were stored as."""
    extras, points, queries = (
        _as_tuple(name, getattr(request, name))
        for name in ("record_extras", "record_points", "record_queries")
    )
    if not request.record and (extras or points or queries):
        raise RequestError("record is False beside record_extras, record_points or record_queries; set it")
    if queries and request.lossy_cache_interval > 1:
        raise RequestError(
            f"lossy_cache_interval is {request.lossy_cache_interval} beside record_queries; predictions "
            "between whole ones have no queries: set it to 1, or leave record_queries out"
        )
    for extra in extras:
        if extra not in RECORD_EXTRAS:
            raise UnknownName("extra", str(extra), RECORD_EXTRAS)
    for query in queries:
        check_integer("record_queries", query, 0, 2 * MAX_STEPS)
    points = tuple(_as_tuple("record_points", point) for point in points)
    for point in points:
        if len(point) != 2:
            raise RequestError(f"record_points has {point!r}; a point is (x, y)")
        for name, value, size in zip("xy", point, request.final_size, strict=True):
            check_integer(f"{name} of a point", value, 0, (size or 2**20) - 1)
    return {
        "record_extras": tuple(dict.fromkeys(extras)),
        "record_points": tuple(dict.fromkeys(points)),
        "record_queries": tuple(sorted(set(queries))),
    }


def _as_json(value: Any) -> Any:
    if isinstance(value, InputImage | Expansion):
        return value.to_dict()
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value


def _as_tuple(name: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise RequestError(f"{name} is {value!r}; must be a tuple or a list")
    return tuple(value)
