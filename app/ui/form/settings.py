"""What the page's controls hold, as requests: checked like everything that comes from outside."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from typing import Any

from limelight.app.ui.access.errors import NotOffered
from limelight.app.ui.access.limits import Limits
from limelight.app.ui.form.emoji import spelled_out
from limelight.app.ui.form.places import places_of, without_lost_words
from limelight.app.ui.form.start_image import images_of
from limelight.pipeline.errors import RequestError, UnknownName, UsageError
from limelight.pipeline.requests.fields import FIELDS, MAX_SEED, OPEN_SEED
from limelight.pipeline.requests.fields.hints import check_names
from limelight.pipeline.requests.request import MAX_COUNT, GenerationRequest
from limelight.pipeline.requests.values import Whole

AUTO = "automatic"
RANDOM_SEEDS = 2**32
RECORDS = ("head", "site", "grid", "off")
MAX_SPELLED = 20_000  # characters that are looked through for emoji
LATTICE = 16  # places a side whose self-attention is recorded
OWN: Mapping[str, Any] = {  # settings that are no fields of a request, or say less than those
    "count": 1,
    "model": None,
    "start": None,  # the image that is drawn over, and its mask: {"image", "mask"}, data URLs
    "places": None,  # of words, regions and heads: {"paint", "regions", "heads"}, as records have them
    "self_attention": AUTO,  # a backend, or `automatic`
    "cross_attention": AUTO,
    "record": "head",  # how much to record; `off` for nothing
    "record_extras": (),
}
DEFAULTS = {  # of the fields; an empty seed is a new one each time
    field.name: "" if field.name == "seed" else None if field.default is MISSING else field.default
    for field in fields(GenerationRequest)
    if FIELDS[field.name].is_offered
}
NAMES = (*DEFAULTS, *OWN)  # in the order of the page


class Settings:
    """What the controls hold, as it came from a browser or a program. Empty means the model's own value.

    Args:
        values: by name: fields of a request that a stranger may set, and the settings in `OWN`, of which
            those that are missing are at their defaults.

    Raises:
        UnknownField: there is no setting of that name.
    """

    def __init__(self, **values: Any) -> None:
        if unknown := set(values) - set(NAMES):
            check_names(dict.fromkeys(unknown))
            raise UsageError(f"the page has no setting {', '.join(sorted(unknown))}; leave it out")
        self.fields: dict[str, Any] = {name: values.get(name, default) for name, default in DEFAULTS.items()}
        own = {name: values.get(name, default) for name, default in OWN.items()}
        self.count: Any = own["count"]
        self.model: Any = own["model"]
        self.start: Any = own["start"]
        self.places: Any = own["places"]
        self.record: Any = own["record"]
        self.record_extras: Any = own["record_extras"]
        self._orders = {"self": own["self_attention"], "cross": own["cross_attention"]}

    def spell_out(self, nouns: Collection[str]) -> dict[str, str]:
        """Writes nouns for the emoji of both prompts; returns what stood for what."""
        found: dict[str, str] = {}
        for name in ("prompt", "negative_prompt"):
            text = self.fields[name]
            if isinstance(text, str) and len(text) <= MAX_SPELLED:
                self.fields[name], stand_ins = spelled_out(text, nouns)
                found |= stand_ins
        return found

    def drop_lost_places(self) -> list[str]:
        """Leaves out places of words that the prompt does not have any more; returns the words."""
        self.places, lost = without_lost_words(self.places, self.fields["prompt"])
        return lost

    @property
    def attention(self) -> str:
        """The order for backends; empty where any will do."""
        return ",".join(
            f"{kind}={name}" for kind, name in self._orders.items() if name not in (AUTO, None, "")
        )


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
    given = {name: _given(name, value) for name, value in settings.fields.items() if name != "seed"}
    for name, most in _limits(limits).items():
        _check_most(FIELDS[name].label.lower(), given[name], most)
    _check_most("count", settings.count, limits.max_count)
    image, mask = images_of(settings.start, limits)
    if image is None:
        given["width"], given["height"] = given["width"] or size[0], given["height"] or size[1]
    given |= {"prompt": settings.fields["prompt"], "seed": seed_of(settings.fields["seed"])}
    asked = {name: value for name, value in given.items() if _is_set(name, given | {"image": image})}
    asked |= places_of(settings.places, limits)
    asked |= {"image": image, "mask": mask} | (_recorded(settings) if record else {})
    request = GenerationRequest(**asked)
    for side in request.final_size:
        _check_most("the finished picture's side", side, limits.max_side)
    return [
        _with_places(each) for each in request.repeated(Whole(1, MAX_COUNT).read("count", settings.count))
    ]


def seed_of(text: Any) -> int:
    """The seed that is typed, or one by chance.

    Raises:
        RequestError: it is no whole number.
    """
    if text is None or str(text)[:40].strip() in ("", str(OPEN_SEED)):
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


def _limits(limits: Limits) -> dict[str, int]:
    """The page's own limits of fields."""
    return {
        "prompt": limits.max_prompt_characters,
        "negative_prompt": limits.max_prompt_characters,
        "num_steps": limits.max_steps,
        "pick": limits.max_pick,
        "width": limits.max_side,
        "height": limits.max_side,
    }


def _check_most(name: str, value: Any, most: int) -> None:
    if isinstance(value, str) and len(value) > most:
        raise NotOffered(f"the {name} has {len(value):,} characters; at most {most:,} here: shorten it")
    if isinstance(value, int | float) and value > most:
        raise NotOffered(f"{name} is {value:g}; at most {most} here")


def _given(name: str, value: Any) -> Any:
    """What a control holds; None where it is empty, or at a 0 that means so."""
    field = FIELDS[name]
    if value is None or (isinstance(value, str) and not value.strip()) or (value == 0 and field.is_off_at_0):
        return None
    try:
        return field.value.read(name, value)
    except ValueError as error:
        if DEFAULTS[name] is not None:
            raise RequestError(str(error)) from None
        raise RequestError(f"{error}, or empty".replace(name, field.label.lower(), 1)) from None


def _is_set(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a control's value goes into the request: it holds one, and so does the field that it needs."""
    needs = FIELDS[name].needs
    if name == "prompt":
        return True
    return given[name] is not None and (not needs or given[needs] is not None)
