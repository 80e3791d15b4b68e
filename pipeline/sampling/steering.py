"""Makes the steering of a request's rows, for each prediction, from its painted words, regions and heads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache, partial

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.attention import Choice
from limelight.attention.backend import BackendRefused
from limelight.attention.context import KeysValues
from limelight.attention.steering import Bias, Grid, KeyGroup, Skip, Steering, check_bias
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.hysteresis import hysteresis
from limelight.pipeline.maps.lookup import tokens_of
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.places import MASK_SIDE, Mask
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.steering import HeadScale, Painted, Region
from limelight.pipeline.sampling.coverage import coverage, warn_of_places
from limelight.pipeline.sampling.firm import FirmHand
from limelight.pipeline.sampling.sampler import Role
from limelight.pipeline.sampling.word_factors import word_factors
from limelight.pipeline.text.encoder import Conditioning, words_of
from limelight.unet import UNet

FLOOR = (
    0.2  # the share of the prompt of the whole in every region: without it, regions become separate pictures
)
FEATHER = 1 / 16  # of the picture's sides, the soft edge of a region
SKIPS: Mapping[Role, Skip] = {"pag": "values", "seg": "blur"}  # what replaces self-attention


class RequestSteering:
    """How a request steers attention, over all of its predictions.

    Args:
        request: resolved.
        prompt: the request's prompt, encoded.
    """

    def __init__(self, request: GenerationRequest, model: Model, prompt: Conditioning) -> None:
        device = model.unet.device
        self._heads = request.heads
        self._sparse = request.pladis
        factors = word_factors(request, prompt)
        self._factors = None if factors is None else factors.to(device)
        self._skipped = {role: dict.fromkeys(skipped_sites(model.unet), skip) for role, skip in SKIPS.items()}
        self._paint = Paint(request, prompt, device) if any(each.is_loose for each in request.paint) else None
        self._hand = FirmHand.of(request, prompt)
        self._of_prompt, self._of_negative = (
            Regions(request, model, is_negative=is_negative) if is_wanted else None
            for is_negative, is_wanted in (
                (False, bool(request.regions)),
                (True, request.is_guided and any(each.negative_prompt for each in request.regions)),
            )
        )
        self._sites = {site.name: (site.kind, site.num_heads) for site in model.unet.sites}
        self._device = device

    def rows(
        self, roles: Sequence[Role], progress: float, maps: HeatMaps | None = None
    ) -> list[Steering | None]:
        """The steering of each row of a prediction.

        Args:
            progress: the fraction of the pass's predictions that are made.
            maps: of the predictions so far, where regions follow words.
        """
        for regions in (self._of_prompt, self._of_negative):
            if regions is not None and maps is not None:
                regions.follow(maps, progress)
        bias = None if self._paint is None else self._paint.bias(progress)
        prompt = self._steering(bias, self._of_prompt, progress, is_negative=False)
        negative = self._steering(None, self._of_negative, progress, is_negative=True)
        found = {"negative": negative, "prompt": prompt}
        for role, skip in self._skipped.items():
            found[role] = replace(prompt or Steering(), skip=skip)
        return [found[role] for role in roles]

    def hand(self, progress: float) -> FirmHand:
        """The words that lead the latent; for a request that has some."""
        assert self._hand is not None, "nothing is painted by the firm hand"
        return self._hand.acting(progress)

    def _steering(
        self, bias: Bias | None, regions: "Regions | None", progress: float, *, is_negative: bool
    ) -> Steering | None:
        acting = [each for each in self._heads if each.acts(progress) and (each.negative or not is_negative)]
        sparse, tokens = (0.0, None) if is_negative else (self._sparse, self._factors)
        if bias is None and regions is None and tokens is None and not acting and not sparse:
            return None
        heads = {name: self._scales(acting, name) for name in self._sites} if acting else {}
        return Steering(
            bias=bias,
            tokens=tokens,
            weight=None if regions is None else regions.rest,
            groups=() if regions is None else regions.groups,
            heads={site: scales for site, scales in heads.items() if scales is not None},
            sparse=sparse,
        )

    def _scales(self, acting: Sequence[HeadScale], site: str) -> Float[Tensor, " h"] | None:
        kind, num_heads = self._sites[site]
        mine = [each for each in acting if each.site in (site, kind)]
        if not mine:
            return None
        scales = torch.ones(num_heads)
        for each in mine:
            scales[slice(None) if each.head is None else each.head] *= each.scale
        return scales.to(self._device)


def start_steering(request: GenerationRequest, model: Model, prompt: Conditioning) -> RequestSteering:
    """The steering of a resolved request that is steered.

    Warns:
        PlaceWarning: regions overlap, or a mask has another shape than the picture.
    """
    warn_of_places(request)
    return RequestSteering(request, model, prompt)


def skipped_sites(unet: UNet) -> list[str]:
    """The self-attention of the middle, or of the lowest level of a U-Net that has none there: where Ahn et
    al. and Hong perturb it."""
    own = [site for site in unet.sites if site.kind == "self"]
    middle = [site.name for site in own if site.name.startswith("mid_block.")]
    lowest = max((site.factor for site in own), default=1)
    return middle or [site.name for site in own if site.factor == lowest]


class Paint:
    """The words that a request paints with the loose hand."""

    def __init__(self, request: GenerationRequest, prompt: Conditioning, device: torch.device) -> None:
        words = words_of(request.prompt, prompt.tokens)
        self._paint = [each for each in request.paint if each.is_loose]
        self._tokens = torch.zeros(len(prompt.context), len(self._paint))
        for column, each in enumerate(self._paint):
            self._tokens[tokens_of(words, each.word, None), column] = 1
        self._device = device
        self._region = cache(self._regions)

    def bias(self, progress: float) -> Bias | None:
        """The bias of the scores; None once all strengths have fallen to 1."""
        left = [max(0.0, 1 - progress / each.until) * each.nats for each in self._paint]
        if not any(left):
            return None
        return Bias(self._region, (self._tokens * torch.tensor(left)).to(self._device))

    def _regions(self, grid: Grid) -> Float[Tensor, "n r"]:
        columns = [_painted(each, grid).flatten() for each in self._paint]
        return torch.stack(columns, -1).to(self._device)


def _painted(painted: Painted, grid: Grid) -> Float[Tensor, "h w"]:
    covered = coverage(painted, grid)
    return 2 * covered - 1 if painted.outside else covered


class Regions:
    """Parts of the picture with prompts of their own, of the prompt's row or of the negative prompt's."""

    def __init__(self, request: GenerationRequest, model: Model, *, is_negative: bool) -> None:
        self._regions = request.regions
        self._device = model.unet.device
        self._weights = cache(self._shares)
        self._has_own = [not is_negative or bool(each.negative_prompt) for each in self._regions]
        self.groups = tuple(
            KeyGroup(_keys_values(each, request, model, is_negative), partial(self._weight, number))
            for number, (each, is_own) in enumerate(zip(self._regions, self._has_own, strict=True))
            if is_own
        )

    def follow(self, maps: HeatMaps, progress: float) -> None:
        """Gives regions of words their places, once they may begin."""
        waiting = [each for each in self._regions if each.word and progress >= each.start]
        if not waiting:
            return
        found = {each: replace(each, word="", mask=place_of_word(maps, each.word)) for each in waiting}
        self._regions = tuple(found.get(each, each) for each in self._regions)
        self._weights.cache_clear()

    def rest(self, grid: Grid) -> Float[Tensor, " n"]:
        """The weight of the row's own context: what the regions leave of 1."""
        return 1 - self._weights(grid)[self._has_own].sum(0)

    def _weight(self, number: int, grid: Grid) -> Float[Tensor, " n"]:
        return self._weights(grid)[number]

    def _shares(self, grid: Grid) -> Float[Tensor, "r n"]:
        covered = [each.weight * coverage(each, grid, feather=FEATHER).flatten() for each in self._regions]
        shares = torch.stack(covered)
        return ((1 - FLOOR) * shares / shares.sum(0).clamp(min=1)).to(self._device)


def place_of_word(maps: HeatMaps, word: str) -> Mask:
    """Where a word's map is high, spread by self-attention over positions that look alike."""
    seen = hysteresis(maps.raw.refined.word(word))
    image = Image.fromarray(seen.numpy().astype(np.uint8) * 255)
    shrink = min(1.0, MASK_SIDE / max(image.size))
    width, height = (max(1, round(side * shrink)) for side in image.size)
    return Mask(width, height, image.resize((width, height), Image.Resampling.BOX).tobytes())


class _KeysValues:
    """Keys and values of a context at every site."""

    def __init__(self, unet: UNet, context: Tensor) -> None:
        self._made = unet.keys_values(context[None].to(unet.dtype))

    def __call__(self, site: str) -> KeysValues:
        return self._made[site]


def _keys_values(region: Region, request: GenerationRequest, model: Model, is_negative: bool) -> _KeysValues:
    if is_negative:
        encoded = model.text.negative(region.negative_prompt)
    else:
        encoded = model.text.prompt(region.prompt, clip_skip=request.clip_skip)
    return _KeysValues(model.unet, encoded.context)


def check_steering(request: GenerationRequest, unet: UNet, plans: Sequence[Mapping[str, Choice]]) -> None:
    """Checks before the first step that a model and its backends can do a request's steering.

    Args:
        plans: of each pass.

    Raises:
        RequestError: the model has no such site or head.
        BackendRefused: a backend takes no painted words.
    """
    for each in request.heads:
        _check_head(each, unet)
    if rank := sum(each.is_loose for each in request.paint):
        cross = {site.name for site in unet.sites if site.kind == "cross"}
        for site, choice in (pair for plan in plans for pair in plan.items() if pair[0] in cross):
            try:
                check_bias(choice.backend, choice.spec, rank)
            except BackendRefused as refusal:
                raise BackendRefused(f"{site}: paint cannot be obeyed: {refusal}") from None


def _check_head(scaled: HeadScale, unet: UNet) -> None:
    sites = {site.name: site for site in unet.sites}
    chosen = [site for name, site in sites.items() if scaled.site in (name, site.kind)]
    if not chosen:
        near = get_close_matches(scaled.site, sites, n=3, cutoff=0.0)
        raise RequestError(
            f"heads has the site {scaled.site!r}, which this model does not have; it has self, cross, "
            f"{', '.join(near)}; limelight backends --model MODEL names all"
        )
    fewest = min(site.num_heads for site in chosen)
    if scaled.head is not None and scaled.head >= fewest:
        raise RequestError(f"heads has head {scaled.head} of {scaled.site}; it has heads 0 to {fewest - 1}")
