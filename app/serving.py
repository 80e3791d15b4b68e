"""Serves the page, for the command line: models first, then the server, then where it is."""

import ipaddress
import os
import socket
import warnings
from collections.abc import Sequence
from pathlib import Path

from limelight.app import report
from limelight.app.loading import load_pipeline
from limelight.pipeline.errors import UsageError
from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.text.warned import PromptWarning


def serve(
    models: Sequence[str],
    *,
    host: str,
    port: int,
    auth: Sequence[str],
    hosts: Sequence[str] = (),
    attention: str | None,
    device: str | None,
    dtype: str | None,
) -> None:
    """Serves the page until it is interrupted.

    Args:
        models: those that the page offers; the first is taken if a visitor names none.
        auth: USER:PASSWORD of those who may come in; none for everybody.
        hosts: names by which this server is called, besides its addresses, `localhost` and the machine's own.

    Raises:
        UsageError: a model, the address or a user cannot be used as given.
    """
    users = [_user(each) for each in auth]
    for model in models:
        locate_model(model)
    _check_address(host, port)
    if not users and not _is_local(host):
        report.complain(f"{host} can be reached from elsewhere, and nobody has to log in; see --auth")
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
    from limelight.app.ui.access.limits import Limits
    from limelight.app.ui.page.page import build_page
    from limelight.app.ui.server import Server, build_app
    from limelight.app.ui.studio.studio import Studio

    pipelines = {
        name: load_pipeline(model, attention=attention, device=device, dtype=dtype)
        for name, model in _names(models).items()
    }
    warnings.filterwarnings("ignore", category=PromptWarning)  # for who typed it, not for the log
    studio = Studio(pipelines, Limits())
    try:
        studio.pace.measure()
        server = Server(
            build_app(build_page(studio), studio, auth=users or None, hosts=[host, *hosts]),
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
    """What the page calls each model: the end of its name, or all of it where two have the same."""
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
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"cannot listen at {host}:{port}: {reason}; choose another --host or --port"
        ) from None


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
