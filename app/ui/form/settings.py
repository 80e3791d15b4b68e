"""Makes requests of the values of the page's controls, which are checked like all input."""

import secrets
from collections.abc import Mapping, Sequence
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
from limelight.pipeline.text.near import Near

AUTO = "automatic"
RANDOM_SEEDS = 2**32
RECORDS = ("head", "site", "grid", "off")
MAX_SPELLED = 20_000  # characters; longer prompts, which are refused, are not searched for emoji
LATTICE = 16  # points along each side whose self-attention is recorded
OWN: Mapping[str, Any] = {  # settings that are no fields of a request, or have fewer values
    "count": 1,
    "model": None,
    "start": None,  # the image that is drawn over, and its mask: {"image", "mask"}, data URLs
    "places": None,  # of words, regions and heads: {"paint", "regions", "heads"}, as records have them
    "self_attention": AUTO,  # a backend, or `automatic`
    "cross_attention": AUTO,
    "record": "head",  # how much to record; `off` for nothing
    "record_extras": (),
}
DEFAULTS = {  # field -> default; an empty seed is a new one each time
    field.name: "" if field.name == "seed" else None if field.default is MISSING else field.default
    for field in fields(GenerationRequest)
    if FIELDS[field.name].is_offered
}
NAMES = (*DEFAULTS, *OWN)  # in the order of the page


class Settings:
    """Values of the controls, unchecked, from a browser or a program. Empty means the model's own value.

    Args:
        values: fields of a request that a stranger may set, and the settings in `OWN`; missing ones have
            their defaults.

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

    def spell_out(self, near: Near) -> dict[str, str]:
        """Replaces emoji in both prompts by the words for what they show; returns emoji -> words."""
        found: dict[str, str] = {}
        for name in ("prompt", "negative_prompt"):
            text = self.fields[name]
            if isinstance(text, str) and len(text) <= MAX_SPELLED:
                self.fields[name], stand_ins = spelled_out(text, near)
                found |= stand_ins
        return found

    def drop_lost_places(self) -> list[str]:
        """Removes the places of words that the prompt no longer has; returns the words."""
        self.places, lost = without_lost_words(self.places, self.fields["prompt"])
        return lost

    @property
    def attention(self) -> str:
        """The order for backends; empty for an automatic choice."""
        return ",".join(
            f"{kind}={name}" for kind, name in self._orders.items() if name not in (AUTO, None, "")
        )


def model_of(settings: Settings, models: Sequence[str]) -> str:
    """The name of the chosen model, or of the first if none is chosen. Raises UnknownName if the page does
    not have it."""
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
        _check_most("the finished picture's side", (side or 0) * (request.enlarge or 1), limits.max_side)
    return [
        _with_places(each) for each in request.repeated(Whole(1, MAX_COUNT).read("count", settings.count))
    ]


def seed_of(text: Any) -> int:
    """The typed seed; a random one for an empty text.

    Raises:
        RequestError: the text is no whole number.
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
    """Adds a lattice of points whose self-attention is recorded to a request that records maps."""
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
        "edit_of": limits.max_prompt_characters,
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
    """The value of a control; None if it is empty, or at a 0 that means empty."""
    field = FIELDS[name]
    if value is None or (isinstance(value, str) and not value.strip()) or (value == 0 and field.is_off_at_0):
        return None
    try:
        return field.value.read(name, value)
    except ValueError as error:
        if DEFAULTS[name] is not None:
            raise RequestError(str(error)) from None
        raise RequestError(f"{error}, or empty".replace(name, field.label.lower(), 1)) from None


def shown(value: Any) -> Any:
    """A value as a text field shows it, and as its field reads it: numbers with commas between them, words
    and their weights with bars."""
    if not isinstance(value, list | tuple):
        return value
    if all(isinstance(each, int | float) for each in value):
        return ",".join(f"{each:g}" for each in value)
    if all(isinstance(each, Mapping) and {"word", "scale"} <= set(each) for each in value):
        return "|".join(f"{each['word']}={each['scale']:g}" for each in value)
    return "|".join(value) if all(isinstance(each, str) for each in value) else value


def _is_set(name: str, given: Mapping[str, Any]) -> bool:
    """Whether a control's value goes into the request: it has one, and so has the field that it needs."""
    needs = FIELDS[name].needs
    if name == "prompt":
        return True
    return given[name] is not None and (not needs or given[needs] is not None)
