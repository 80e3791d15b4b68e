"""The maps of a request: their recordings, and the heat maps that are computed from them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from limelight.attention.recording.recording import Extras, Recording
from limelight.attention.recording.size import SiteSize, check_recordings
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.query import context_keys
from limelight.pipeline.maps.selection import Selection
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.text.encoder import Conditioning, Reading


@dataclass(frozen=True, slots=True)
class RequestMaps:
    """The recordings of a request's prompt, of its negative prompt, and of the prompt of the picture that an
    edit keeps; None if not requested.

    Args:
        view: the heat maps of prompt and negative prompt, which follow the recordings as they grow.
        base_view: those of the picture that is kept.
    """

    negative: Recording | None
    prompt: Recording
    view: HeatMaps
    base: Recording | None = None
    base_view: HeatMaps | None = None

    def recordings(self, roles: Sequence[str]) -> list[Recording | None]:
        """The recording of each row of a prediction.

        A model that edits images has two negative rows; the one with the image is recorded. Rows with
        modified self-attention are not recorded.

        Args:
            roles: the purpose of each row, as in `PredictionRequest`.
        """
        recordings: list[Recording | None] = [None] * len(roles)
        recordings[-1] = self.prompt
        if negative := [row for row, role in enumerate(roles) if role == "negative"]:
            recordings[negative[-1]] = self.negative
        if "base" in roles:
            recordings[roles.index("base")] = self.base
        return recordings

    @property
    def heatmaps(self) -> HeatMaps | None:
        """The heat maps recorded so far; None if there are none."""
        if not self.prompt.steps:
            return None
        if self.negative is not None and not self.negative.steps:
            return replace(self.view, of_negative=None)
        return self.view


def start_maps(
    request: GenerationRequest,
    model: Model,
    negative: Conditioning,
    prompt: Conditioning,
    count: int,
    base: Conditioning | None = None,
) -> RequestMaps:
    """Empty recordings for the first `count` predictions of a request that records, or whose regions or blend
    follow words.

    Args:
        base: the prompt of the picture that an edit keeps.

    Raises:
        RecordingTooLarge: they would take too much memory.
        RequestError: the request wants queries of a prediction that will not be made.
    """
    follows = any(each.word for each in request.regions)
    level = request.record if isinstance(request.record, str) else "grid"
    width, height = request.final_size
    assert height is not None and width is not None
    if request.record_queries and request.record_queries[-1] >= count:
        raise RequestError(
            f"record_queries has {request.record_queries[-1]}; the predictions are 0 to {count - 1}"
        )
    extras = Extras(
        steps="steps" in request.record_extras,
        values="values" in request.record_extras,
        refined=follows or "refined" in request.record_extras,
        points=tuple(((x + 0.5) / width, (y + 0.5) / height) for x, y in request.record_points),
        queries=request.record_queries,
    )
    best = model.best_maps
    extras = replace(extras, heads=tuple(best.heads.items()))
    of_prompt = Recording(level, len(prompt.context), extras)
    of_negative = None
    if "negative" in request.record_extras and request.is_guided:
        words = replace(extras, points=(), queries=())  # only the prompt's recording has points
        of_negative = Recording(level, len(negative.context), words)
    of_base = None if base is None else Recording(level, len(base.context), extras)
    wanted = [each for each in (of_negative, of_prompt, of_base) if each is not None]
    check_recordings(wanted, _sites(request, model), count)
    size = height, width
    maps = HeatMaps(request.prompt, prompt.tokens, size, Selection(of_prompt, best))
    if of_negative is not None:
        their = HeatMaps(request.negative_prompt, negative.tokens, size, Selection(of_negative, best))
        maps = replace(maps, of_negative=their)
    read: Reading = {"clip_skip": request.clip_skip, "syntax": request.prompt_syntax}
    if request.record_queries:  # only then, since the function keeps the model in memory
        maps = replace(maps, keys=partial(context_keys, model, read))
    of_other = None
    if base is not None and of_base is not None and request.edit_of is not None:
        other = HeatMaps(request.edit_of, base.tokens, size, Selection(of_base, best))
        of_other = replace(other, keys=maps.keys)
    return RequestMaps(of_negative, of_prompt, maps, of_base, of_other)


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
