"""What a request wants recorded, and the maps that come of it."""

from dataclasses import dataclass, replace
from functools import partial

from limelight.attention.recording.recording import Extras, Recording
from limelight.attention.recording.size import SiteSize, check_recordings
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.query import context_keys
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.text.encoder import Conditioning


@dataclass(frozen=True, slots=True)
class Recordings:
    """The recordings of a request: of its prompt and of its negative prompt, None where not wanted."""

    negative: Recording | None = None
    prompt: Recording | None = None

    def rows(self, num_rows: int) -> list[Recording | None]:
        """What each row of a prediction is recorded into: the last is the prompt's, the one before it the
        negative prompt's; a model that edits images has one more, without the image."""
        return [None, self.negative, self.prompt][-num_rows:]

    def maps(
        self, request: GenerationRequest, negative: Conditioning, prompt: Conditioning, model: Model
    ) -> HeatMaps | None:
        """A view of what is recorded so far, None where nothing is."""
        if self.prompt is None or not self.prompt.steps:
            return None
        width, height = request.final_size
        assert height is not None and width is not None
        size = height, width
        of_negative = None
        if self.negative is not None and self.negative.steps:
            of_negative = HeatMaps(request.negative_prompt, negative.tokens, size, self.negative)
        return HeatMaps(
            request.prompt,
            prompt.tokens,
            size,
            self.prompt,
            of_negative=of_negative,
            # Only where it is asked for: it holds on to the model.
            keys=partial(context_keys, model, request.clip_skip) if request.record_queries else None,
        )


def start_recordings(
    request: GenerationRequest, model: Model, negative: Conditioning, prompt: Conditioning, count: int
) -> Recordings:
    """Empty recordings of `count` predictions, where the request wants them.

    Raises:
        RecordingTooLarge: they would take too much memory.
        RequestError: queries of a prediction that will not be made.
    """
    if not isinstance(request.record, str):
        return Recordings()
    width, height = request.final_size
    assert height is not None and width is not None
    if request.record_queries and request.record_queries[-1] >= count:
        raise RequestError(
            f"record_queries has {request.record_queries[-1]}; the predictions are 0 to {count - 1}"
        )
    extras = Extras(
        steps="steps" in request.record_extras,
        values="values" in request.record_extras,
        refined="refined" in request.record_extras,
        points=tuple(((x + 0.5) / width, (y + 0.5) / height) for x, y in request.record_points),
        queries=request.record_queries,
    )
    of_prompt = Recording(request.record, len(prompt.context), extras)
    of_negative = None
    if "negative" in request.record_extras and request.is_guided:
        words = replace(extras, points=(), queries=())  # places are the prompt's alone
        of_negative = Recording(request.record, len(negative.context), words)
    wanted = [each for each in (of_negative, of_prompt) if each is not None]
    check_recordings(wanted, _sites(request, model), count)
    return Recordings(of_negative, of_prompt)


def _sites(request: GenerationRequest, model: Model) -> dict[str, SiteSize]:
    assert request.height is not None and request.width is not None
    _, height, width = model.latent_shape(request.height, request.width)
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
