"""Groups of options that several commands share: fields of a request, and how a model is loaded.

A command has one parameter for each group, such as `load: Load`. `grouped` makes the options that fill it.
"""

import inspect
import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import Annotated, Any, get_args, get_type_hints

import typer

from limelight.app.load import LoadOptions
from limelight.pipeline.adapters.files import parse_embedding, parse_lora
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.fields import FIELDS, names_by_a1111
from limelight.pipeline.requests.request import GenerationRequest

_LORA = "A LoRA, FILE or FILE:WEIGHT; may be repeated."
_EMBEDDING = "A textual inversion, FILE, whose word prompts may use; may be repeated."
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(GenerationRequest)}
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_SIDES = names_by_a1111("Size")  # width and height
_SIZE = inspect.Parameter(
    "size",
    _KEYWORD,
    default=None,
    annotation=Annotated[
        str | None, typer.Option("--size", help="Width and height in pixels, such as 512x512.")
    ],
)


@dataclass(frozen=True)
class Group:
    """Options that together make one argument of a command.

    Args:
        make: makes the argument from the values of the options by name.
    """

    options: tuple[inspect.Parameter, ...]
    make: Callable[[dict[str, Any]], Any]


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command; each parameter that is annotated with a `Group` is replaced by its options."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Group] = {}
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        group = next((each for each in get_args(parameter.annotation) if isinstance(each, Group)), None)
        if group is None:
            parameters.append(parameter.replace(kind=_KEYWORD))
        else:
            groups[name] = group
            parameters += group.options

    @wraps(command)
    def call(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group.make(
                {each.name: values.pop(each.name, each.default) for each in group.options}
            )
        command(**values)

    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def request_options(
    names: Iterable[str] = FIELDS, *, optional: Container[str] = (), help: Mapping[str, str] | None = None
) -> Group:
    """Options for fields of a request; the argument maps the names of the fields that are set to their
    values.

    Args:
        optional: fields that are left out if their option is omitted, although they have a default.
        help: texts for options with a special meaning in this command.
    """
    by_option: dict[str, list[str]] = {}
    for name in names:
        if FIELDS[name].option:
            by_option.setdefault(FIELDS[name].option, []).append(name)
    shared = {_name(option): fields for option, fields in by_option.items()}

    def make(values: dict[str, Any]) -> dict[str, Any]:
        given: dict[str, Any] = {}
        if (size := values.pop("size", None)) is not None:
            given = _sides(size, values)
        for option, value in values.items():
            if value is not None:
                fields = shared[option]
                given |= zip(fields, value if len(fields) > 1 else (value,), strict=True)
        return given

    options = tuple(
        _request_option(option, fields, optional, help or {}) for option, fields in by_option.items()
    )
    return Group((*options, _SIZE) if set(_SIDES) <= shared.keys() else options, make)


def _request_option(
    option: str, names: Sequence[str], optional: Container[str], help: Mapping[str, str]
) -> inspect.Parameter:
    """The option of one field, or of several fields that share it."""
    entries = [FIELDS[name] for name in names]
    texts = [help.get(name, entry.help) for name, entry in zip(names, entries, strict=True)]
    limits = dict.fromkeys(entry.value.limits for entry in entries if entry.value.limits)
    if names[0] in help:
        limits = {}
    written: Any = entries[0].value.written
    is_omitted = [name in optional or (written is str and DEFAULTS[name] == ()) for name in names]
    defaults = [None if omitted else DEFAULTS[name] for name, omitted in zip(names, is_omitted, strict=True)]
    if len(names) > 1:
        written = tuple[tuple(entry.value.written for entry in entries)]  # type: ignore[misc]
    aliases = [entry.alias for entry in entries if entry.alias]
    default = None if defaults[0] is None else defaults[0] if len(names) == 1 else tuple(defaults)
    return inspect.Parameter(
        _name(option),
        _KEYWORD,
        default=default,
        annotation=Annotated[
            written | None if default is None else written,
            typer.Option(option, *aliases, help="; ".join([*texts, *limits]) + "."),
        ],
    )


def _sides(size: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Width and height from --size.

    Raises:
        UsageError: they are not two numbers, or a side is given twice.
    """
    found = re.fullmatch(r"\s*(\d{1,9})\s*[xX\N{MULTIPLICATION SIGN}]\s*(\d{1,9})\s*", size)
    if found is None:
        raise UsageError(f"size is {size!r}; must be WIDTHxHEIGHT in pixels, such as 512x512")
    if any(values.get(side) is not None for side in _SIDES):
        raise UsageError(f"size is {size!r} and a side is given too; leave out --width and --height")
    return dict(zip(_SIDES, map(int, found.groups()), strict=True))


def load_options(*names: str, help: Mapping[str, str] | None = None) -> Group:
    """Options for some of the `LoadOptions`; the argument is a `LoadOptions`. `adapters` stands for --lora
    and --embedding."""
    hints = get_type_hints(LoadOptions, include_extras=True)
    defaults = {field.name: field.default for field in fields(LoadOptions)}
    options: list[inspect.Parameter] = []
    for name in names:
        if name == "adapters":
            options += [_files("lora", _LORA, help or {}), _files("embedding", _EMBEDDING, help or {})]
            continue
        annotation = hints[name]
        if help and name in help:
            annotation = Annotated[annotation.__origin__, typer.Option(help=help[name])]
        options.append(inspect.Parameter(name, _KEYWORD, default=defaults[name], annotation=annotation))

    def make(values: dict[str, Any]) -> LoadOptions:
        loras, embeddings = values.pop("lora", None) or (), values.pop("embedding", None) or ()
        adapters = (*map(parse_lora, loras), *map(parse_embedding, embeddings))
        return LoadOptions(**values, adapters=adapters)

    return Group(tuple(options), make)


def _files(name: str, text: str, help: Mapping[str, str]) -> inspect.Parameter:
    annotation = Annotated[list[str] | None, typer.Option(f"--{name}", help=help.get(name, text))]
    return inspect.Parameter(name, _KEYWORD, default=None, annotation=annotation)


def _name(option: str) -> str:
    """The name of the parameter for an option."""
    return option.removeprefix("--").replace("-", "_")
