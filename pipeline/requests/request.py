"""The request: everything that decides how one picture comes out, checked before any work."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests import checks
from limelight.pipeline.requests.expansion import Expansion
from limelight.pipeline.requests.fields import FIELDS, MAX_SEED
from limelight.pipeline.requests.fields.stored import recalled
from limelight.pipeline.requests.input_image import InputImage, check_mask, fit
from limelight.pipeline.requests.input_latents import LatentSource
from limelight.pipeline.requests.pixels import SIZE_MULTIPLE, check_memory
from limelight.pipeline.requests.steering import HeadScale, Painted, Region, WordScale
from limelight.pipeline.requests.values import Record, Source, SyntaxName, Whole, as_json

MAX_COUNT = 10_000
DEFAULT_STEPS = 25
# The fields that change attention.
STEERING = ("paint", "regions", "heads", "scale_words", "pag_scale", "seg_scale", "pladis")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One picture. `None` means the model's own value; `resolved` puts that in. Limits: `fields.FIELDS`.

    Args:
        seed: of the initial noise, 0 to 2^64 - 1.
        width, height: of the picture, in pixels; multiples of 8.
        num_steps: of the scheduler, 1 to 1000.
        guidance_scale: classifier-free guidance, `eps_negative + scale * (eps_prompt - eps_negative)`; at 1
            or below the negative prompt has no part and is not computed (Ho & Salimans, arXiv:2207.12598).
        clip_skip: the layer of the text encoder that the prompt is taken from: 1 is the model's own, 2 the
            one before it (diffusers' `clip_skip` plus 1). The negative prompt has the model's own.
        prompt_syntax: `limelight`, or `a1111`: brackets, weights and the ends of chunks as in AUTOMATIC1111's
            web UI, which heeds `clip_skip` in both prompts of Stable Diffusion 1 and in none of SDXL.
        guidance_rescale: 0 to 1, how far a guided prediction takes the spread of the prompt's own
            (Lin et al., arXiv:2305.08891, section 3.4).
        guidance_start, guidance_end: fractions of the steps between which guidance acts and the negative
            prompt is computed (Kynkäänniemi et al., arXiv:2404.07724).
        scheduler: a name from `requests.schedulers.SCHEDULERS`, or AUTOMATIC1111's label of it.
        image: to begin from, or to edit with a model that edits images: a PIL image, of which the request
            keeps a copy, or the path of a file, which `opened` reads. The picture takes its shape: without
            width and height its size, each side down to a multiple of 8; with one of them, the other follows;
            with both, they must have its shape. It is resized to that.
        mask: of the image's size; white where the picture is drawn again, black where it stays.
        strength: 0 to 1, how far the image is redrawn: the part of the steps that are taken. None is 0.8, or
            1 with a mask; 0 gives the image as the VAE brings it back.
        image_guidance_scale: how closely a model that edits images keeps to the image; None is 1.5.
        hires_scale: draws the picture, makes it this much larger, and goes over it with `hires_strength`.
        hires_strength: as `strength`, of the second pass; None is 0.5.
        enlarge: the finished picture is made this many times larger by the model's enlarger, if it has one.
        lossy_cache_interval: 1 is exact. With N from 2 to 20, one prediction in N is computed whole, and the
            others reuse its deep feature (Ma et al., arXiv:2312.00858; docs/benchmarks/lossy-cpu.md).
        paint: where words of the prompt shall be; the prompt's row alone is steered.
        regions: parts of the picture with prompts of their own; the prompt keeps a fifth of each.
        heads: attention heads that are scaled in a part of the steps.
        pag_scale, seg_scale: guidance away from a row with other self-attention in the middle block: each
            position attends to itself alone (Ahn et al., arXiv:2403.17377), or all attend to the same (Hong,
            arXiv:2408.00760). 0 is none.
        freeu: b1, b2, s1, s2 of Si et al., arXiv:2309.11497; SD1 1.5, 1.6, 0.9, 0.2; SDXL 1.3, 1.4, 0.9, 0.2.
        pladis: experimental; from softmax (0) to 1.5-entmax (1) and beyond it (arXiv:2503.07677).
        pick: number of seeds, from `seed` on, that are tried with one prediction each; the best is drawn, and
            the result's request has its seed. 1 tries none.
        scale_words: factors of the attention to words of the prompt.
        edit_of: another prompt, whose picture is drawn in the same calls and kept where both agree (Hertz et
            al., arXiv:2208.01626). With `image`, what that shows: it is turned into noise first.
        keep: fractions of the steps until which an edit takes its cross- and self-attention from the picture
            of `edit_of`; where words are only added and none is blended, the first is squared.
        blend_words: words of an edit's prompt or of `edit_of`. Outside their places in both pictures, the
            edit's latent has the bits of the other after each step (section 4.1 there).
        blend: the fraction of a map's maximum above which a word has a place, and the fraction of the steps
            after which blending begins.
        record: which cross-attention maps to keep; with a second pass, those of the first. A prediction that
            reuses a deep feature repeats the maps of the prediction that it comes from.
        record_extras: what else to keep: `negative` (the negative prompt's), `steps` (sites and heads
            of each prediction), `values` (weighted by what each token contributes), `refined` (spread by
            self-attention, on grids of up to 32x32).
        record_points: pixels (x, y) of the picture whose self-attention is kept, one row for each site.
        record_queries: predictions, from 0, whose queries are kept, to ask for words that are not in the
            prompt.
        expansion: how a language model made the prompt longer; for the record alone.
        timesteps, sigmas: a schedule of your own, by its timesteps or by its noise levels, falling; the last
            of `sigmas` is the level at the end, 0 for a picture. `num_steps` is then their number.
        eta: the noise that the schedulers `ddim` and `tcd` add at each step, 0 to 1; for `ddim` 1 is DDPM
            (Song et al., arXiv:2010.02502, equation 16), for `tcd` it is gamma of arXiv:2402.19159.
        latents: a tensor 1 c h w to begin from, in place of the seed's noise: as `torch.randn` gives it, or,
            with `denoising_start`, as `Result.latent` of another request has it.
        denoising_start, denoising_end: between which parts of the training schedule the noise is taken away,
            0 to 1, where two models draw one picture (Podell et al., arXiv:2307.01952, section 2.5).
        original_size, crops_coords_top_left, target_size: what SDXL is conditioned on, as (height, width),
            (top, left), (height, width); None is the picture's own size and no crop. Both prompts have them
            (arXiv:2307.01952, section 2.2).
        aesthetic_score, negative_aesthetic_score: what SDXL's refiner is conditioned on; None is 6 and 2.5.
        padding_mask_crop: draws only the masked part of the image and this many pixels around it, at `width`
            x `height` (None is the model's own size), and puts it back; the picture has the image's size.

    Raises:
        RequestError: a field is out of its range, or an image cannot be used.
        UnknownName: there is no such scheduler.
    """

    prompt: str
    negative_prompt: str = ""
    seed: int = 0
    num_steps: int = DEFAULT_STEPS
    guidance_scale: float | None = None
    scheduler: str | None = None
    width: int | None = None
    height: int | None = None
    image: Source | None = None
    mask: Source | None = None
    strength: float | None = None
    image_guidance_scale: float | None = None
    hires_scale: float | None = None
    hires_strength: float | None = None
    enlarge: int | None = None
    clip_skip: int = 1
    prompt_syntax: SyntaxName = "limelight"
    guidance_rescale: float = 0.0
    guidance_start: float = 0.0
    guidance_end: float = 1.0
    lossy_cache_interval: int = 1
    paint: tuple[Painted, ...] = ()
    regions: tuple[Region, ...] = ()
    heads: tuple[HeadScale, ...] = ()
    pag_scale: float = 0.0
    seg_scale: float = 0.0
    freeu: tuple[float, float, float, float] | None = None
    pladis: float = 0.0
    pick: int = 1
    scale_words: tuple[WordScale, ...] = ()
    edit_of: str | None = None
    keep: tuple[float, float] = (0.6, 0.4)
    blend_words: tuple[str, ...] = ()
    blend: tuple[float, float] = (0.3, 0.2)
    record: Record = False
    record_extras: tuple[str, ...] = ()
    record_points: tuple[tuple[int, int], ...] = ()
    record_queries: tuple[int, ...] = ()
    expansion: Expansion | None = None
    timesteps: tuple[int, ...] = ()
    sigmas: tuple[float, ...] = ()
    eta: float = 0.0
    latents: LatentSource | None = None
    denoising_start: float | None = None
    denoising_end: float | None = None
    original_size: tuple[int, int] | None = None
    crops_coords_top_left: tuple[int, int] | None = None
    target_size: tuple[int, int] | None = None
    aesthetic_score: float | None = None
    negative_aesthetic_score: float | None = None
    padding_mask_crop: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            self._check(field.name, field.default)
        self._check_size()
        self._follow()
        checks.check_passes(self)
        check_memory(*self.final_size)
        checks.check_guidance(self)
        checks.check_recorded(self)
        checks.check_schedule(self)
        checks.check_masked_part(self)
        checks.check_edit(self)
        of_words: tuple[Painted | Region | WordScale, ...] = (*self.paint, *self.regions, *self.scale_words)
        for each in of_words:
            each.check_prompt(self.prompt)
        if self.expansion is not None:
            self.expansion.check(self.prompt)

    def __repr__(self) -> str:
        given = {
            each.name: value for each in fields(self) if (value := getattr(self, each.name)) != each.default
        }
        return f"GenerationRequest({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def _check(self, name: str, default: Any) -> None:
        """Holds one field to its entry in the table."""
        value, entry = getattr(self, name), FIELDS[name]
        if value is None and default is None:
            return
        checked = entry.value.check(name, value)
        if checked is not value:
            self._set(name, checked)
        if entry.needs and getattr(self, entry.needs) is None:
            remedy = "an image" if entry.needs == "image" else "both"
            raise RequestError(
                f"{name} is given and {entry.needs} is not; give {remedy}, or leave {name} out"
            )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_size(self) -> None:
        """Sets the size from an image that has been read, and checks the mask's size."""
        if not isinstance(self.image, InputImage):
            return
        if self.padding_mask_crop is None:
            width, height = fit(self.image, self.width, self.height)
            self._set("width", width)
            self._set("height", height)
        if isinstance(self.mask, InputImage):
            check_mask(self.mask, self.image)

    def _follow(self) -> None:
        """Sets what follows from other fields."""
        if self.hires_scale is not None and self.hires_strength is None:
            self._set("hires_strength", 0.5)
        if self.timesteps or self.sigmas:
            count = len(self.timesteps) or len(self.sigmas) - 1
            if self.num_steps not in (DEFAULT_STEPS, count):
                raise RequestError(
                    f"num_steps is {self.num_steps} and the schedule given has {count}; leave num_steps out"
                )
            self._set("num_steps", count)

    def opened(self) -> "GenerationRequest":
        """The request with its images and masks read, and with the size that follows from them.

        Raises:
            RequestError: a file is no image that can be used, or does not go with the other fields.
        """
        found: dict[str, Any] = {}
        for name, entry in FIELDS.items():
            value = getattr(self, name)
            if value is not None and (opened := entry.value.open(name, value)) is not value:
                found[name] = opened
        return replace(self, **found) if found else self

    @property
    def final_size(self) -> tuple[int | None, int | None]:
        """Width and height of the finished picture: with a second pass, larger than those of the first."""
        return self._enlarged(self.width), self._enlarged(self.height)

    def _enlarged(self, side: int | None) -> int | None:
        if side is None or self.hires_scale is None:
            return side
        return round(side * self.hires_scale / SIZE_MULTIPLE) * SIZE_MULTIPLE

    @property
    def is_steered(self) -> bool:
        """Whether attention is changed."""
        return any(getattr(self, name) for name in STEERING)

    @property
    def uncompiled(self) -> list[str]:
        """The given fields that a compiled U-Net does not support."""
        return [name for name in (*STEERING, "freeu", "edit_of") if getattr(self, name)]

    @property
    def is_inverted(self) -> bool:
        """Whether the picture that an edit keeps is the image."""
        return self.edit_of is not None and self.image is not None

    @property
    def is_guided(self) -> bool:
        return self.guidance_scale is None or self.guidance_scale > 1

    def resolved(
        self, *, width: int, height: int, guidance_scale: float, scheduler: str
    ) -> "GenerationRequest":
        """The request with its images read, and the model's values in the fields that were left open.

        Raises:
            RequestError: as `opened`.
        """
        request = self.opened()
        return replace(
            request,
            width=request.width or width,
            height=request.height or height,
            guidance_scale=guidance_scale if self.guidance_scale is None else self.guidance_scale,
            scheduler=self.scheduler or ("ddim" if self.is_inverted else scheduler),
        )

    def repeated(self, count: int) -> "list[GenerationRequest]":
        """`count` requests with the seeds `seed`, `seed + pick`, ..., so that no two try the same start."""
        Whole(1, MAX_COUNT).check("count", count)
        Whole(0, MAX_SEED).check("seed + count - 1", self.seed + (count - 1) * self.pick)
        return [replace(self, seed=self.seed + i * self.pick) for i in range(count)]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values; images, which are read for it, and latents as size and content hash."""
        request = self.opened()
        return {name: as_json(getattr(request, name)) for name in FIELDS}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], **files: Source | None) -> "GenerationRequest":
        """A request from stored fields, checked like any other.

        Args:
            files: the images and latents that it was made with, whose size and content hash alone are stored.

        Raises:
            RequestError: a field is unknown, missing or out of its range, or an image is not the same.
        """
        return cls(**recalled(values, files))
