"""What a request wants recorded, and the maps that come of it."""

from dataclasses import dataclass, replace
from functools import partial

from attention.recording import Extras, Recording
from attention.recording_size import SiteSize, check_recordings
from pipeline.errors import RequestError
from pipeline.maps import HeatMaps
from pipeline.model import Model
from pipeline.query import context_keys
from pipeline.request import GenerationRequest
from pipeline.text import Conditioning


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of a request: of its prompt and of its negative prompt, None where not wanted."""

    negative: Recording | None = None
    prompt: Recording | None = None

    def rows(self, num_rows: int) -> list[Recording | None]:
        """What each row of a prediction is recorded into; the prompt's is the last."""
        return [*[self.negative] * (num_rows - 1), self.prompt]

    def maps(
        self, request: GenerationRequest, conditioning: tuple[Conditioning, ...], model: Model
    ) -> HeatMaps | None:
        """A view of what is recorded so far, None where nothing is."""
        if self.prompt is None or not self.prompt.steps:
            return None
        assert request.height is not None and request.width is not None
        size = request.height, request.width
        of_negative = None
        if self.negative is not None:
            of_negative = HeatMaps(request.negative_prompt, conditioning[0].tokens, size, self.negative)
        return HeatMaps(
            request.prompt,
            conditioning[-1].tokens,
            size,
            self.prompt,
            of_negative=of_negative,
            # Only where it is asked for: it holds on to the model.
            keys=partial(context_keys, model) if request.record_queries else None,
        )


def start_recordings(
    request: GenerationRequest, model: Model, conditioning: tuple[Conditioning, ...], count: int
) -> Recordings:
    """Empty recordings of `count` predictions, where the request wants them.

    Raises:
        RecordingTooLarge: they would take too much memory.
        RequestError: queries of a prediction that will not be made.
    """
    if not isinstance(request.record, str):
        return Recordings()
    assert request.height is not None and request.width is not None
    if request.record_queries and request.record_queries[-1] >= count:
        raise RequestError(
            f"record_queries has {request.record_queries[-1]}; the predictions are 0 to {count - 1}"
        )
    extras = Extras(
        steps="steps" in request.record_extras,
        values="values" in request.record_extras,
        refined="refined" in request.record_extras,
        points=tuple(
            ((x + 0.5) / request.width, (y + 0.5) / request.height) for x, y in request.record_points
        ),
        queries=request.record_queries,
    )
    prompt = Recording(request.record, len(conditioning[-1].context), extras)
    negative = None
    if "negative" in request.record_extras and len(conditioning) > 1:
        words = replace(extras, points=(), queries=())  # places are the prompt's alone
        negative = Recording(request.record, len(conditioning[0].context), words)
    check_recordings([each for each in (negative, prompt) if each is not None], _sites(request, model), count)
    return Recordings(negative, prompt)


def _sites(request: GenerationRequest, model: Model) -> dict[str, SiteSize]:
    assert request.height is not None and request.width is not None
    height, width = request.height // model.latent_factor, request.width // model.latent_factor
    return {
        site.name: SiteSize(
            kind=site.kind,
            num_heads=site.num_heads,
            head_dim=site.head_dim,
            grid=site.grid(height, width),
            query_bytes=model.unet.dtype.itemsize,
        )
        for site in model.unet.sites
    }
