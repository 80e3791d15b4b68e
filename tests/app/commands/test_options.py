"""Options that are made from the table of fields, and options for loading a model."""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.testing import CliRunner

from limelight.app.commands.batch import batch
from limelight.app.commands.generate import generate
from limelight.app.commands.options import grouped, load_options, request_options
from limelight.app.load import LoadOptions
from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.requests.fields import FIELDS

OFFERED = {field.option.removeprefix("--").replace("-", "_") for field in FIELDS.values() if field.option}


def given(*arguments: str, optional: tuple[str, ...] = ()) -> tuple[dict[str, Any], LoadOptions]:
    """The fields and the `LoadOptions` that a command gets for these arguments."""
    found: list[Any] = []
    app = typer.Typer()

    @app.command()
    @grouped
    def command(
        asked: Annotated[Mapping[str, Any], request_options(optional=optional)],
        load: Annotated[LoadOptions, load_options("model", "adapters", "device", "compile")],
    ) -> None:
        found.extend((dict(asked), load))

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return found[0], found[1]


def test_every_field_with_an_option_is_one_of_generate_and_of_batch() -> None:
    for command in (generate, batch):
        assert OFFERED <= inspect.signature(command).parameters.keys()
    defaults = {name: p.default for name, p in inspect.signature(batch).parameters.items() if name in OFFERED}
    assert set(defaults.values()) == {None}
    assert inspect.signature(generate).parameters["steps"].default == 25
    assert inspect.signature(generate).parameters["seed"].default is None


def test_options_become_fields() -> None:
    asked, load = given("--steps", "3", "--guidance-interval", "0.2", "0.8", "--image", "a.png")
    assert asked["num_steps"] == 3
    assert (asked["guidance_start"], asked["guidance_end"]) == (0.2, 0.8)
    assert asked["image"] == Path("a.png")
    assert (asked["clip_skip"], "width" in asked) == (1, False)
    assert load == LoadOptions()


def test_size_and_cfg_are_width_and_height_and_guidance() -> None:
    asked, _ = given("--size", "512x384", "--cfg", "4")
    assert (asked["width"], asked["height"], asked["guidance_scale"]) == (512, 384, 4)


def test_optional_fields_are_not_set_by_default() -> None:
    assert given("--steps", "3", optional=tuple(FIELDS))[0] == {"num_steps": 3}


def test_adapters_are_read_before_a_model(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").touch()
    load = given("--lora", f"{tmp_path / 'a.safetensors'}:0.5", "--model", "m", "--compile")[1]
    (file,) = load.adapters
    assert (file.kind, file.weight, load.model, load.compile) == ("lora", 0.5, "m", True)


def test_help_has_limits_and_says_that_a_seed_is_printed() -> None:
    parameters = inspect.signature(generate).parameters
    help = {name: p.annotation.__metadata__[0].help for name, p in parameters.items() if name in OFFERED}
    assert help["steps"] == "Scheduler steps; 1 to 1000."
    assert help["seed"] == "Seed of the noise; random if omitted or -1; printed."
    assert help["width"] == "Width in pixels; 8 to 1048576, a multiple of 8."


def test_load_options_are_the_parameters_of_a_pipeline() -> None:
    taken = [name for name in inspect.signature(TextToImagePipeline.from_pretrained).parameters]
    assert {field.name for field in fields(LoadOptions)} == {*taken, "model"} - {"name"}
