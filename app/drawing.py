"""Draws the requests of a command, with a progress bar."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from limelight.app import report
from limelight.app.load import LoadOptions, refusals
from limelight.pipeline.errors import UsageError
from limelight.pipeline.requests.request import GenerationRequest

if TYPE_CHECKING:  # the module loads torch
    from limelight.pipeline.results.result import Result
    from limelight.pipeline.text_to_image import TextToImagePipeline


def drawn(
    requests: Sequence[GenerationRequest],
    load: LoadOptions,
    *,
    expected_hash: str | None = None,
    completed: Callable[["TextToImagePipeline", Sequence[GenerationRequest]], list[GenerationRequest]]
    | None = None,
) -> Iterator["Result"]:
    """Yields each picture as soon as it is done. If a picture fails, the reason is printed instead.

    Args:
        expected_hash: the content hash of the model; a model with another hash is refused before sampling.
        completed: adds to the requests what needs the loaded model.

    Raises:
        UsageError: an option cannot be used.
    """
    from limelight.app.progress import Bar, TimeLeft

    made: dict[int, int] = {}  # predictions of each picture
    with Bar(TimeLeft()) as bar:
        pipe = load.load()
        if expected_hash is not None and pipe.model.hash.result() != expected_hash:
            raise UsageError(
                f"drawn with a model whose content hash is {expected_hash[:12]}; "
                f"{load.model!r} has {pipe.model.hash.result()[:12]}"
            )
        with refusals():
            if completed is not None:
                requests = completed(pipe, requests)
            for request in requests:
                pipe.engine.plan(request)
        for step in pipe.stream(requests):
            made[step.id] = step.count if step.error is not None else step.index
            bar.show(sum(made.values()), step.count * len(requests))
            if step.error is not None:
                report.complain(f"seed {step.request.seed}: {step.error}")
            elif step.result is not None:
                yield step.result


@contextmanager
def stopping() -> Iterator[None]:
    """Ends the process with exit code 4 if the user stops it."""
    try:
        yield
    except KeyboardInterrupt:
        report.fail("stopped; the pictures named above are complete", code=4)
