"""Begins an edit of the words: the trajectories of both pictures, whose predictions share calls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from limelight.pipeline.maps.request_maps import RequestMaps
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.sampling.edits.blend import Blend
from limelight.pipeline.sampling.edits.editing import Editing, paired
from limelight.pipeline.sampling.edits.inversion import Path, followed, inversion
from limelight.pipeline.sampling.passes import make_passes, make_trajectory
from limelight.pipeline.sampling.sampler import Canvas, Change, Pass, Trajectory
from limelight.pipeline.sampling.word_factors import word_factors
from limelight.pipeline.text.align import align
from limelight.pipeline.text.encoder import Conditioning


@dataclass(frozen=True, slots=True)
class Begun:
    """An edit, ready for its first prediction.

    Attributes:
        changes: of the words, such as "cat -> dog".
        num_inverted: predictions for the image, before those of the passes.
    """

    trajectory: Trajectory
    editing: Editing
    changes: Sequence[str]
    num_inverted: int


def start_edit(
    request: GenerationRequest,
    model: Model,
    prompt: Conditioning,
    base: Conditioning,
    passes: Sequence[Pass],
    maps: RequestMaps | None,
    change: Change | None = None,
) -> Begun:
    """Joins the trajectory of the edit and that of the picture that it keeps.

    A picture of the seed's noise is drawn as a request of its own would draw it. An image is inverted, and
    drawn again without guidance, which the inversion had not either.

    Args:
        request: resolved and fitted.
        base: the prompt of the picture that is kept.
        passes: of the edit.
        maps: those of the request; a blend needs them.
        change: of the edit's latent after each step.

    Raises:
        NoSuchMap: a word to blend is in neither prompt.
        PictureError: the VAE overflowed on the request's image, or memory is short.
    """
    assert request.edit_of is not None, "the request edits nothing"
    alignment = align(request.edit_of, base, request.prompt, prompt)
    editing = Editing(request, model, alignment, word_factors(request, prompt))
    blend: Blend | None = None
    if request.blend_words and maps is not None:
        blend = Blend(request, alignment, maps, len(passes[0]))
        change = blend.after(change)

    def both(path: Path | None = None) -> Trajectory:
        drawn, canvas = request, None
        if path is not None:
            drawn = replace(request, guidance_scale=1.0)
            canvas = Canvas(noise=path[-1], clean=path[0], is_begun=True)
        seen = None if blend is None else blend.of_base if path is None else blend.of_image(path)
        kept = make_trajectory(drawn, model, make_passes(request, model), seen, canvas)
        return paired(kept, make_trajectory(request, model, passes, change, canvas))

    if not request.is_inverted:
        return Begun(both(), editing, alignment.changes, 0)
    steps = make_passes(request, model)[0]
    return Begun(followed(inversion(request, model, steps), both), editing, alignment.changes, len(steps))
