"""What the page's controls hold, as requests: checked like everything that comes from outside."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.start_image import images_of
from limelight.pipeline.errors import RequestError, UnknownName
from limelight.pipeline.requests.request import MAX_SEED, GenerationRequest

AUTO = "automatic"
RANDOM_SEEDS = 2**32
RECORDS = ("head", "site", "grid", "off")
LATTICE = 16  # places a side whose self-attention is recorded


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The controls, in the order of the page. Empty ones mean the model's own value.

    Attributes:
        start: the image that is drawn over, and its mask: {"image", "mask"}, data URLs.
        seed: as text: a browser's numbers end at 2^53. Empty draws one.
        cross_attention, self_attention: a backend, or `automatic`.
        record: how much to record; `off` for nothing.
    """

    prompt: Any
    negative_prompt: Any = ""
    seed: Any = ""
    num_steps: Any = 25
    guidance_scale: Any = None
    scheduler: Any = None
    width: Any = None
    height: Any = None
    count: Any = 1
    model: Any = None
    start: Any = None
    strength: Any = None
    hires_scale: Any = None
    hires_strength: Any = None
    clip_skip: Any = 1
    guidance_rescale: Any = 0.0
    lossy_cache_interval: Any = 1
    self_attention: Any = AUTO
    cross_attention: Any = AUTO
    record: Any = "head"
    record_extras: Any = field(default_factory=list)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(each.name for each in fields(cls))

    @property
    def attention(self) -> str:
        """The order for backends; empty where any will do."""
        asked = {"self": self.self_attention, "cross": self.cross_attention}
        return ",".join(f"{kind}={name}" for kind, name in asked.items() if name not in (AUTO, None, ""))


def model_of(settings: Settings, models: Sequence[str]) -> str:
    """Raises UnknownName unless the model is one of the page's list; the first is taken if none is named."""
    name = settings.model or models[0]
    if name not in models:
        raise UnknownName("model", str(name)[:80], models)
    return str(name)


def requests_of(
    settings: Settings, limits: Limits, size: tuple[int, int], record: bool = True
) -> list[GenerationRequest]:
    """The requests of one run: seed, seed + 1, ...

    Args:
        size: width and height in pixels where the settings say none.

    Raises:
        UsageError: a field is out of its range, or is more than the page offers.
    """
    for name, text in (("prompt", settings.prompt), ("negative prompt", settings.negative_prompt)):
        _check_length(name, text, limits.max_prompt_characters)
    _check_most("steps", settings.num_steps, limits.max_steps)
    _check_most("count", settings.count, limits.max_count)
    width, height = _given(settings.width), _given(settings.height)
    image, mask = images_of(settings.start, limits)
    if image is None:
        width, height = width or size[0], height or size[1]
    for name, side in (("width", width), ("height", height)):
        _check_most(name, side, limits.max_side)
    request = GenerationRequest(
        prompt=settings.prompt,
        negative_prompt=settings.negative_prompt or "",
        seed=seed_of(settings.seed),
        width=width,
        height=height,
        num_steps=_whole(settings.num_steps),
        guidance_scale=_number("guidance", settings.guidance_scale),
        scheduler=settings.scheduler or None,
        clip_skip=_whole(settings.clip_skip),
        guidance_rescale=settings.guidance_rescale or 0.0,
        lossy_cache_interval=_whole(settings.lossy_cache_interval),
        image=image,
        mask=mask,
        strength=_given(settings.strength) if image is not None else None,
        hires_scale=_given(settings.hires_scale),
        hires_strength=_given(settings.hires_strength) if _given(settings.hires_scale) else None,
        **(_recorded(settings) if record else {}),
    )
    for side in request.final_size:
        _check_most("the finished picture's side", side, limits.max_side)
    return [_with_places(each) for each in request.repeated(_whole(settings.count))]


def seed_of(text: Any) -> int:
    """The seed that is typed, or one by chance.

    Raises:
        RequestError: it is no whole number.
    """
    if text is None or text == "":
        return secrets.randbelow(RANDOM_SEEDS)
    try:
        return int(str(text)[:40])
    except ValueError:
        raise RequestError(
            f"seed is {str(text)[:40]!r}; must be a whole number from 0 to {MAX_SEED}, or empty"
        ) from None


def _recorded(settings: Settings) -> dict[str, Any]:
    if settings.record == "off":
        return {"record": False}
    if settings.record not in RECORDS:
        raise UnknownName("detail of maps", str(settings.record)[:40], RECORDS)
    extras = tuple(settings.record_extras or ())
    steps = () if settings.record == "grid" else ("steps",)
    return {"record": settings.record, "record_extras": (*steps, *extras)}


def _with_places(request: GenerationRequest) -> GenerationRequest:
    """The same, with a lattice of places whose self-attention is recorded, where maps are."""
    width, height = request.final_size
    if not request.record or width is None or height is None:
        return request
    at = [(i + 0.5) / LATTICE for i in range(LATTICE)]
    return replace(request, record_points=tuple((int(x * width), int(y * height)) for y in at for x in at))


def _check_length(name: str, text: object, most: int) -> None:
    if isinstance(text, str) and len(text) > most:
        raise NotOffered(f"the {name} has {len(text):,} characters; at most {most:,} here: shorten it")


def _check_most(name: str, value: Any, most: int) -> None:
    if isinstance(value, int | float) and value > most:
        raise NotOffered(f"{name} is {value:g}; at most {most} here")


def _number(name: str, value: Any) -> Any:
    """What is typed, as a number; None where nothing is."""
    if not isinstance(value, str):
        return value
    try:
        return float(value) if value.strip() else None
    except ValueError:
        raise RequestError(f"{name} is {value[:40]!r}; must be a number, or empty") from None


def _given(value: Any) -> Any:
    """None where a control is empty or at 0, whole numbers without a fraction."""
    return _whole(value) if value else None


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value
