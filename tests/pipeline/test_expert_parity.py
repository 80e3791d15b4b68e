"""Rarely needed fields draw as diffusers' own pipelines do, from the same folder and noise."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.schedulers import AysSchedules
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.requests.schedulers import make_scheduler
from tests.pipeline.stock import drawn_by, largest_difference, stock_pipeline
from tests.pipeline.test_image_parity import mask, picture

SIZE = {"width": 24, "height": 16}
theirs_from = cache(stock_pipeline)


@cache
def ours_from(folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(folder, device="cpu")


def request(**fields: Any) -> GenerationRequest:
    values = {"prompt": "a red apple", "negative_prompt": "blurry", "seed": 7, "guidance_scale": 5.0}
    return GenerationRequest(**(values | fields))


def by_diffusers(
    folder: Path, asked: GenerationRequest, cls: str = "StableDiffusionPipeline", **fields: Any
) -> Any:
    pipe = theirs_from(cls, folder)
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    pipe.scheduler = make_scheduler(asked.scheduler or "model", config)
    return drawn_by(pipe, asked, **fields)


@pytest.fixture(scope="session")
def refiner_folder(make_sdxl: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the shape of SDXL's refiner: the second text encoder alone, and an aesthetic score."""
    made = make_sdxl(cross_attention_dim=16, projection_class_embeddings_input_dim=5 * 8 + 16)
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("refiner") / "model"))
    index = json.loads((folder / "model_index.json").read_text())
    index |= {
        "_class_name": "StableDiffusionXLImg2ImgPipeline",
        "text_encoder": [None, None],
        "tokenizer": [None, None],
        "requires_aesthetics_score": True,
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    for name in ("text_encoder", "tokenizer"):
        shutil.rmtree(folder / name)
    return folder


def latents(seed: int = 3) -> Tensor:
    return torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("scheduler", ["euler", "heun", "dpm++2m", "dpm++2s", "ddpm", "lcm", "tcd"])
def test_timesteps_of_your_own(sd_folder: Path, scheduler: str) -> None:
    steps = tuple(AysSchedules["StableDiffusionTimesteps"])
    asked = request(**SIZE, timesteps=steps, scheduler=scheduler)
    ours = ours_from(sd_folder)(asked)
    theirs = by_diffusers(sd_folder, asked, timesteps=list(steps), num_inference_steps=None)
    assert asked.num_steps == ours.request.num_steps == 10
    assert largest_difference(ours.image, theirs) <= 1
    assert (
        largest_difference(ours.image, ours_from(sd_folder)(request(**SIZE, scheduler=scheduler)).image) > 1
    )


def test_sigmas_of_your_own(sd_folder: Path) -> None:
    levels = tuple(AysSchedules["StableDiffusionSigmas"])
    asked = request(**SIZE, sigmas=levels, scheduler="euler")
    theirs = by_diffusers(sd_folder, asked, sigmas=list(levels), num_inference_steps=None)
    assert asked.num_steps == 10
    assert largest_difference(ours_from(sd_folder)(asked).image, theirs) <= 1


def test_an_image_drawn_over_by_timesteps_of_your_own(sd_folder: Path) -> None:
    steps = tuple(AysSchedules["StableDiffusionTimesteps"])
    asked = request(image=picture(), strength=0.6, timesteps=steps, scheduler="dpm++2m")
    theirs = by_diffusers(
        sd_folder,
        asked,
        "StableDiffusionImg2ImgPipeline",
        image=picture(),
        strength=0.6,
        timesteps=list(steps),
        num_inference_steps=None,
    )
    assert largest_difference(ours_from(sd_folder)(asked).image, theirs) <= 1


@pytest.mark.parametrize("scheduler", ["ddim", "tcd"])
@pytest.mark.parametrize("eta", [0.4, 1.0])
def test_eta(sd_folder: Path, scheduler: str, eta: float) -> None:
    asked = request(**SIZE, num_steps=6, scheduler=scheduler, eta=eta)
    ours = ours_from(sd_folder)(asked).image
    assert largest_difference(ours, by_diffusers(sd_folder, asked, eta=eta)) <= 1
    assert largest_difference(ours, by_diffusers(sd_folder, asked, eta=0.0)) > 1


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "euler-a"])
def test_latents_in_and_out(sd_folder: Path, scheduler: str) -> None:
    asked = request(**SIZE, num_steps=6, scheduler=scheduler, latents=latents())
    ours = ours_from(sd_folder)(asked)
    given = latents()
    theirs = by_diffusers(sd_folder, asked, latents=given)
    assert largest_difference(ours.image, theirs) <= 1
    last = theirs_from("StableDiffusionPipeline", sd_folder)(
        asked.prompt,
        negative_prompt=asked.negative_prompt,
        latents=latents(),
        num_inference_steps=6,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
        **SIZE,
    ).images
    assert ours.latent is not None and ours.latent.shape == (1, 4, 8, 12)
    if scheduler != "ddim":  # the others' schedulers keep their steps from one call to the next
        return
    torch.testing.assert_close(ours.latent, last, atol=2e-4, rtol=1e-3)


def test_the_noise_of_a_seed_given_as_latents_draws_the_same(sd_folder: Path) -> None:
    pipe = ours_from(sd_folder)
    noise = torch.randn(1, 4, 8, 12, generator=torch.Generator().manual_seed(7))
    a, b = (pipe(request(**SIZE, num_steps=3, latents=given)) for given in (None, noise))
    assert a.image == b.image


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "heun", "dpm++2m"])
def test_base_and_refiner_draw_one_picture(sdxl_folder: Path, refiner_folder: Path, scheduler: str) -> None:
    base = request(**SIZE, num_steps=10, scheduler=scheduler, denoising_end=0.6)
    ours = ours_from(sdxl_folder)(base)
    begun = by_diffusers(
        sdxl_folder, base, "StableDiffusionXLPipeline", denoising_end=0.6, output_type="latent"
    )
    begun = begun if begun.ndim == 4 else begun[None]
    torch.testing.assert_close(ours.latent, begun, atol=2e-3, rtol=1e-3)
    rest = request(**SIZE, num_steps=10, scheduler=scheduler, denoising_start=0.6, latents=ours.latent)
    theirs = by_diffusers(
        refiner_folder, rest, "StableDiffusionXLImg2ImgPipeline", image=begun, denoising_start=0.6
    )
    assert largest_difference(ours_from(refiner_folder)(rest).image, theirs) <= 1


@pytest.mark.parametrize(
    "sizes",
    [
        {"original_size": (512, 768)},
        {"crops_coords_top_left": (64, 8)},
        {"target_size": (1024, 512)},
        {"original_size": (256, 256), "crops_coords_top_left": (0, 128), "target_size": (64, 32)},
    ],
)
def test_the_sizes_that_sdxl_is_conditioned_on(sdxl_folder: Path, sizes: dict[str, tuple[int, int]]) -> None:
    asked = request(**SIZE, num_steps=6, **sizes)
    ours = ours_from(sdxl_folder)(asked).image
    theirs = by_diffusers(sdxl_folder, asked, "StableDiffusionXLPipeline", **sizes)
    assert largest_difference(ours, theirs) <= 1
    assert largest_difference(ours, ours_from(sdxl_folder)(request(**SIZE, num_steps=6)).image) >= 1


@pytest.mark.parametrize("scores", [{"aesthetic_score": 9.0}, {"negative_aesthetic_score": 8.0}])
def test_the_scores_that_the_refiner_is_conditioned_on(
    refiner_folder: Path, scores: dict[str, float]
) -> None:
    fields = {"image": picture(), "strength": 0.8, "num_steps": 6}
    asked = request(**fields, **scores)
    ours = ours_from(refiner_folder)(asked).image
    theirs = by_diffusers(
        refiner_folder,
        asked,
        "StableDiffusionXLImg2ImgPipeline",
        image=picture(),
        strength=0.8,
        original_size=(16, 24),
        target_size=(16, 24),
        **scores,
    )
    assert largest_difference(ours, theirs) <= 1
    assert largest_difference(ours, ours_from(refiner_folder)(request(**fields)).image) >= 1


@pytest.mark.parametrize("size", [(48, 32), (24, 24), (16, 40)])
@pytest.mark.parametrize("kind", ["sd", "inpaint"])
def test_the_masked_part_alone(
    sd_folder: Path, inpaint_folder: Path, size: tuple[int, int], kind: str
) -> None:
    folder = sd_folder if kind == "sd" else inpaint_folder
    image, painted = picture(60, 40), Image.new("L", (60, 40))
    painted.paste(255, (20, 12, 37, 25))
    fields = {"image": image, "mask": painted, "width": size[0], "height": size[1], "padding_mask_crop": 4}
    asked = request(**fields, num_steps=6, strength=0.9)
    theirs = by_diffusers(
        folder,
        asked,
        "StableDiffusionInpaintPipeline",
        image=image,
        mask_image=painted,
        strength=0.9,
        padding_mask_crop=4,
    )
    ours = ours_from(folder)(asked).image
    assert ours.size == image.size == theirs.size
    # 1/255 before it is resized: the weights of a Lanczos filter have absolute values whose sum is below 2
    assert largest_difference(ours, theirs) <= 2
    kept = Image.composite(image, Image.new("RGB", image.size), painted.point(lambda v: 255 - v))
    assert (
        largest_difference(
            Image.composite(ours, Image.new("RGB", ours.size), painted.point(lambda v: 255 - v)), kept
        )
        == 0
    )
    assert largest_difference(ours, image) > 10


def test_at_strength_0_the_image_comes_back_from_the_vae(sd_folder: Path) -> None:
    pipe = ours_from(sd_folder)
    steps = list(pipe.stream([request(image=picture(), strength=0.0), request(**SIZE, num_steps=2)]))
    (still,) = [step for step in steps if step.id == 0]
    vae = theirs_from("StableDiffusionPipeline", sd_folder).vae
    pixels = torch.from_numpy(__import__("numpy").array(picture())).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.inference_mode():
        latent = vae.encode(pixels).latent_dist.sample(torch.Generator().manual_seed(7))
        back = (vae.decode(latent).sample[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()
    assert still.is_last and still.index == still.count == 1 and still.result is not None
    theirs = Image.fromarray((back * 255).round().astype("uint8"))
    assert largest_difference(still.result.image, theirs) <= 1
    assert sum(step.result is not None for step in steps) == 2


def test_a_mask_at_strength_0_changes_nothing_but_by_the_vae(sd_folder: Path) -> None:
    plain = ours_from(sd_folder)(request(image=picture(), strength=0.0)).image
    assert ours_from(sd_folder)(request(image=picture(), mask=mask(), strength=0.0)).image == plain


def test_a_function_may_change_the_latent_after_each_step(sd_folder: Path) -> None:
    asked = request(**SIZE, num_steps=4, scheduler="ddim")
    seen: list[tuple[int, int]] = []

    def change(id: int, index: int, latent: Tensor) -> Tensor | None:
        seen.append((id, index))
        return latent * 0.5 if index == 1 else None

    def theirs(pipe: Any, index: int, timestep: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"latents": given["latents"] * 0.5} if index == 1 else {}

    *_, last = ours_from(sd_folder).stream([asked], change=change)
    assert last.result is not None and last.result.info["changed"]
    assert seen == [(0, i) for i in range(4)]
    picture = by_diffusers(sd_folder, asked, callback_on_step_end=theirs)
    assert largest_difference(last.result.image, picture) <= 1
    assert largest_difference(last.result.image, ours_from(sd_folder)(asked).image) > 1
    assert "changed" not in ours_from(sd_folder)(asked).info
