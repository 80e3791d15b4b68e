"""The `limelight` command."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from limelight.app import lifetime, report
from limelight.app.commands.backends import backends
from limelight.app.commands.batch import batch
from limelight.app.commands.check import check
from limelight.app.commands.convert import convert
from limelight.app.commands.describe import ask, describe
from limelight.app.commands.edit import edit
from limelight.app.commands.generate import DRAW, generate, quoted
from limelight.app.commands.inspect import inspect
from limelight.app.commands.replay import replay
from limelight.app.commands.ui import ui
from limelight.app.commands.vocabulary import vocabulary
from limelight.pipeline.errors import UsageError

NEAR = 0.75  # difflib's ratio from which a single word counts as a misspelt command
OWN = ("-h", "--help", "--version")  # options of `limelight` itself
PATHS = ("-o", "--output", "--maps", "--log")
NUMBERS = {"int": "a whole number", "float": "a number"}  # by the first part of the name of pydantic's error


def with_command(line: Sequence[str], commands: Iterable[str]) -> list[str]:
    """The arguments with a command first: `generate`, if they begin with a prompt or with its options.

    A prompt that equals the name of a command is that command; `limelight generate batch` draws "batch".

    Raises:
        UsageError: the first argument is a single word similar to the name of a command.
    """
    names = list(commands)
    if not line or line[0] in names or line[0] in OWN:
        return list(line)
    near = get_close_matches(line[0].casefold(), names, n=1, cutoff=NEAR)
    if near and line[0] != "--":
        raise UsageError(
            f"there is no command {line[0]!r}; did you mean `limelight {near[0]}`? "
            f"To draw a picture of it: limelight {DRAW} {quoted(line[0])}"
        )
    return [DRAW, *line]


def require_paths(line: Sequence[str]) -> None:
    """Raises UsageError for an option of a path that is empty, as a shell's variable without a value is;
    it would be the current folder."""
    for at, each in enumerate(line):
        if each == "--":
            return
        option, equals, value = each.partition("=")
        if option in PATHS and not value and (equals or line[at + 1 : at + 2] == [""]):
            raise UsageError(f"{option} is empty; give a file or a folder, or leave it out")


class Commands(TyperGroup):
    """The commands; `generate` is the default."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        require_paths(args)
        return super().parse_args(ctx, with_command(args, self.commands))

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if (text := no_number(error)) is None:
                raise
            raise UsageError(text) from error
        except KeyboardInterrupt:
            report.fail("stopped", code=4)


def no_number(error: typer.BadParameter) -> str | None:
    """In our words, that an option is no number; None where something else is wrong."""
    read = getattr(error.__cause__, "errors", None)  # pydantic's
    if read is None or error.param is None:
        return None
    first = read()[0]
    wanted = NUMBERS.get(first["type"].partition("_")[0])
    return wanted and f"{error.param.opts[0].lstrip('-')} is {first['input']!r}; must be {wanted}"


app = typer.Typer(
    cls=Commands,
    name="limelight",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    generate,
    edit,
    batch,
    backends,
    vocabulary,
    convert,
    ui,
    inspect,
    check,
    describe,
    ask,
    replay,
):
    app.command()(command)


def _say_version(is_requested: bool) -> None:
    if is_requested:
        report.say(f"limelight {version('limelight')}")
        raise typer.Exit


@app.callback()
def limelight(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Draw pictures from prompts, and see which word drew what: `limelight "a red apple"` draws one."""


def main() -> None:
    """Runs the command line. Exit codes: 0 done, 1 a bug, 2 bad usage or input, 3 failed pictures,
    4 stopped."""
    report.set_up()
    try:
        app()
    except UsageError as error:
        report.fail(str(error))
    except OSError as error:  # an error of the system is no bug: a name that is too long, a full disk
        if error.errno is None:
            raise
        name = f"{error.filename!r}" if error.filename is not None else "a file"
        report.fail(f"{name} cannot be used: {error.strerror}; give another, or make room")


def run() -> NoReturn:
    """Runs `main` as a process."""
    lifetime.run(main)


if __name__ == "__main__":
    run()
