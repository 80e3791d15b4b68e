"""What is asked for: everything that decides how one picture comes out, checked before any work."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from pipeline.errors import RequestError, UnknownName
from pipeline.schedulers import check_scheduler

MAX_STEPS = 1000  # the number of timesteps that Stable Diffusion models are trained on
MAX_SEED = 2**63 - 1  # the largest that torch.Generator reproduces on every platform
MAX_GUIDANCE = 100.0
MAX_PROMPT_CHARACTERS = 20_000
MAX_COUNT = 10_000
SIZE_MULTIPLE = 8
BYTES_PER_PIXEL = 1024  # two float32 activations of 128 channels, which the last stage of a VAE decoder holds

Record = bool | Literal["grid", "site", "head"]
RECORD_EXTRAS = ("negative", "steps", "values", "refined")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One picture. `None` means the model's own value; `resolved` puts that in.

    Args:
        seed: of the initial noise, 0 to 2^63 - 1.
        width, height: of the picture, in pixels; multiples of 8.
        num_steps: scheduler steps, 1 to 1000.
        guidance_scale: classifier-free guidance, `eps_negative + scale * (eps_prompt - eps_negative)`; at 1
            or below the negative prompt has no part and is not computed (Ho & Salimans, arXiv:2207.12598).
        scheduler: a name from `pipeline.schedulers.SCHEDULERS`.
        record: which cross-attention maps to keep.
        record_extras: what to keep beside them: `negative` (the negative prompt's), `steps` (sites and heads
            of each prediction), `values` (weighted by what each token contributes), `refined` (spread by
            self-attention, on grids of up to 32x32).
        record_points: pixels (x, y) whose self-attention is kept, one row for each site.
        record_queries: predictions, from 0, whose queries are kept, to ask for words that are not in the
            prompt.

    Raises:
        RequestError: a field is out of its range.
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
    record_extras: tuple[str, ...] = ()
    record_points: tuple[tuple[int, int], ...] = ()
    record_queries: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.record is True:
            object.__setattr__(self, "record", "grid")
        for name in ("prompt", "negative_prompt"):
            _check_text(name, getattr(self, name))
        _check_integer("seed", self.seed, 0, MAX_SEED)
        _check_integer("num_steps", self.num_steps, 1, MAX_STEPS)
        for name in ("width", "height"):
            _check_size(name, getattr(self, name))
        _check_memory(self.width, self.height)
        _check_guidance(self.guidance_scale)
        if self.scheduler is not None:
            check_scheduler(self.scheduler)
        if self.record not in (False, "grid", "site", "head"):
            raise RequestError(f"record is {self.record!r}; must be False, 'grid', 'site' or 'head'")
        for name, value in _checked_record(self).items():
            object.__setattr__(self, name, value)

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
        _check_integer("count", count, 1, MAX_COUNT)
        _check_integer("seed + count - 1", self.seed + count - 1, 0, MAX_SEED)
        return [replace(self, seed=self.seed + i) for i in range(count)]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GenerationRequest":
        """A request from stored fields, held to the same limits as one that was typed.

        Raises:
            RequestError: a field is unknown, missing or out of its range.
        """
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise RequestError(f"unknown fields {unknown}; known: {', '.join(sorted(known))}")
        if "prompt" not in values:
            raise RequestError("the field prompt is missing")
        return cls(**values)


def _checked_record(request: GenerationRequest) -> dict[str, tuple[Any, ...]]:
    """The fields that say what to record beside `record`, as tuples whatever they were stored as."""
    extras, points, queries = (
        _as_tuple(name, getattr(request, name))
        for name in ("record_extras", "record_points", "record_queries")
    )
    if not request.record and (extras or points or queries):
        raise RequestError("record is False beside record_extras, record_points or record_queries; set it")
    for extra in extras:
        if extra not in RECORD_EXTRAS:
            raise UnknownName("extra", str(extra), RECORD_EXTRAS)
    for query in queries:
        _check_integer("record_queries", query, 0, 2 * MAX_STEPS)
    points = tuple(_as_tuple("record_points", point) for point in points)
    for point in points:
        if len(point) != 2:
            raise RequestError(f"record_points has {point!r}; a point is (x, y)")
        for name, value, size in zip("xy", point, (request.width, request.height), strict=True):
            _check_integer(f"{name} of a point", value, 0, (size or 2**20) - 1)
    return {
        "record_extras": tuple(dict.fromkeys(extras)),
        "record_points": tuple(dict.fromkeys(points)),
        "record_queries": tuple(sorted(set(queries))),
    }


def _as_tuple(name: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise RequestError(f"{name} is {value!r}; must be a tuple or a list")
    return tuple(value)


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str):
        raise RequestError(f"{name} is {text!r}; must be text")
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise RequestError(f"{name} has {len(text):,} characters; at most {MAX_PROMPT_CHARACTERS:,}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{name} is not valid text: character {error.start} is a lone surrogate; remove it"
        ) from None


def _check_integer(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise RequestError(f"{name} is {value!r}; must be a whole number")
    if not low <= value <= high:
        raise RequestError(f"{name} is {value}; must be from {low} to {high}")


def _check_size(name: str, value: object) -> None:
    if value is None:
        return
    _check_integer(name, value, SIZE_MULTIPLE, 2**20)
    assert isinstance(value, int)
    if value % SIZE_MULTIPLE:
        nearest = max(1, (value + SIZE_MULTIPLE // 2) // SIZE_MULTIPLE) * SIZE_MULTIPLE
        raise RequestError(
            f"{name} is {value}; must be a multiple of {SIZE_MULTIPLE} ({nearest} is the nearest)"
        )


def _check_memory(width: int | None, height: int | None) -> None:
    if width is None or height is None:
        return
    need, have = width * height * BYTES_PER_PIXEL, physical_memory()
    if need > have:
        side = int((have / BYTES_PER_PIXEL) ** 0.5) // SIZE_MULTIPLE * SIZE_MULTIPLE
        raise RequestError(
            f"{width}x{height} needs at least {need / 2**30:,.0f} GiB; "
            f"this machine has {have / 2**30:,.0f} GiB (a square of {side} is the largest to try)"
        )


def _check_guidance(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise RequestError(f"guidance_scale is {value!r}; must be a finite number")
    if not 0 <= value <= MAX_GUIDANCE:
        raise RequestError(f"guidance_scale is {value}; must be from 0 to {MAX_GUIDANCE:g}")


def physical_memory() -> int:
    """Bytes of main memory, or 64 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 64 * 2**30
