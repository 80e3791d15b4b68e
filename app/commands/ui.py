"""`limelight ui`: loads the models, starts the server and prints its address."""

import errno
import ipaddress
import os
import socket
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from limelight.app import report
from limelight.app.commands.options import grouped, load_options
from limelight.app.load import LoadOptions
from limelight.pipeline.errors import UsageError

# How long the thread that draws waits for the server's thread before each of its operators. With Python's
# own 5 ms, pictures take three times as long while many ask (`python -m scripts.page.attack`).
SWITCH_SECONDS = 0.0001


@grouped
def ui(
    *,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="A model for the page; the first is the default; may be repeated."),
    ] = None,
    load: Annotated[LoadOptions, load_options("variant", "vae", "attention", "device", "dtype", "enlarger")],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 means all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 7860,
    auth: Annotated[
        list[str] | None,
        typer.Option("--auth", help="USER:PASSWORD of a visitor; may be repeated.", envvar="LIMELIGHT_AUTH"),
    ] = None,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="A host name of this server; may be repeated."),
    ] = None,
) -> None:
    """Open the page: pictures that form, and words that light up."""
    models = model or ["default"]
    users = [_user(each) for each in auth or ()]
    from limelight.pipeline.models.locate import locate_model

    for each in models:
        locate_model(each)
    _check_address(host, port)
    if not users and not _is_local(host):
        report.complain(f"{host} can be reached from elsewhere, and nobody has to log in; see --auth")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    from limelight.app.ui.access.limits import Limits
    from limelight.app.ui.page.page import build_page
    from limelight.app.ui.server import Server, build_app
    from limelight.app.ui.studio.studio import Studio
    from limelight.pipeline.text.warned import PromptWarning

    pipelines = {name: replace(load, model=path).load() for name, path in _names(models).items()}
    # The page shows these to the visitor; the log must not contain prompts.
    warnings.filterwarnings("ignore", category=PromptWarning)
    studio = Studio(pipelines, Limits())
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        studio.pace.measure()
        server = Server(
            build_app(build_page(studio), studio, auth=users or None, hosts=[host, *(hosts or ())]),
            host=host,
            port=port,
            say=lambda url: report.say(f"Limelight is at {url}"),
        )
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        studio.close()


def _names(models: Sequence[str]) -> dict[str, str]:
    """The name of each model on the page: the last part of its name, or all of it if two are equal."""
    ends = [Path(model).name or model for model in models]
    return {end if ends.count(end) == 1 else model: model for end, model in zip(ends, models, strict=True)}


def _user(text: str) -> tuple[str, str]:
    name, colon, password = text.partition(":")
    if not (name and colon and password):
        raise UsageError("a user is not USER:PASSWORD; give both, with a colon between them")
    return name, password


def _check_address(host: str, port: int) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family, reuse_port=False):
            pass
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        reason = reason.partition(" (while ")[0]  # Python adds the call
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason += ", perhaps by another `limelight ui`"
        raise UsageError(
            f"cannot listen at {host}:{port}: {reason}; choose another --host or --port"
        ) from None


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
