"""Edits of images: the noise that an image is turned into is that of diffusers' `DDIMInverseScheduler`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.batch.rows.rows import read_rows
from limelight.pipeline.errors import RequestError
from limelight.pipeline.latents.vae import decode, encode, normalise, pixels_of
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.edits.blend import Blend
from limelight.pipeline.sampling.edits.inversion import base_psnr, invert
from limelight.pipeline.sampling.sampler import Pass
from tests.pipeline.stock import largest_difference

BASE, EDIT, STEPS = "an apple and a dog", "an apple and a cat", 5
FLAT = (0.97, 0.2)  # the maps of random networks are flat, so the threshold is high


def photo(width: int = 32, height: int = 24) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": EDIT, "edit_of": BASE, "image": photo(), "num_steps": STEPS}
    return GenerationRequest(**(given | fields))


def loaded(folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(folder, device="cpu")


def clean(pipe: TextToImagePipeline) -> Tensor:
    vae = pipe.model.vae
    return normalise(vae, encode(vae, pixels_of(photo(), 32, 24), None))


@torch.inference_mode()
def stock(pipe: TextToImagePipeline, folder: Path) -> tuple[Tensor, Tensor]:
    """The noise of the photo by diffusers, and the latent that is drawn from it, both without guidance."""
    base = pipe.model.text.prompt(BASE)
    options: dict[str, Any] = {"encoder_hidden_states": base.context[None]}
    if base.pooled is not None:
        ids = torch.tensor([[24.0, 32, 0, 0, 24, 32]])
        options["added_cond_kwargs"] = {"text_embeds": base.pooled[None], "time_ids": ids}
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    forward = DDIMScheduler.from_pretrained(folder, subfolder="scheduler")
    x, ends = clean(pipe), []
    for scheduler in (DDIMInverseScheduler.from_config(forward.config), forward):
        scheduler.set_timesteps(STEPS)
        for timestep in scheduler.timesteps:
            x = scheduler.step(unet(x, timestep, **options).sample, timestep, x, return_dict=False)[0]
        ends.append(x)
    return ends[0], ends[1]


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_noise_and_base_are_those_of_diffusers(sd_folder: Path, sdxl_folder: Path, family: str) -> None:
    folder = {"sd": sd_folder, "sdxl": sdxl_folder}[family]
    pipe = loaded(folder)
    found: list[Tensor] = []
    asked = request(prompt=BASE, guidance_scale=1.0)
    (*_, last) = pipe.stream([asked, request()], change=lambda id, step, x: found.append(x))
    noise, base = stock(pipe, folder)
    result = pipe(asked)
    assert result.base is not None and result.latent is not None
    assert (result.latent - base).abs().max() <= 1e-5 * 2 * STEPS * base.abs().max()
    assert largest_difference(result.base, decode(pipe.model.vae, base)) <= 1
    assert largest_difference(result.image, result.base) == 0  # an edit to the same prompt is the base
    assert result.info["edit"] == [] and last.is_last
    assert not torch.allclose(noise, base, atol=0.1)
    guided = pipe(request())
    assert guided.base is not None
    assert largest_difference(guided.base, result.base) <= 1  # guidance is of the edit alone
    assert largest_difference(guided.image, guided.base) > 1


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("epsilon", {}),
        ("epsilon", {"set_alpha_to_one": False, "steps_offset": 1}),
        ("sample", {"set_alpha_to_one": False}),
        ("v_prediction", {}),
        ("v_prediction", {"rescale_betas_zero_snr": True}),
    ],
    ids=str,
)
@pytest.mark.parametrize("steps", [7, 25])
def test_every_kind_of_prediction_is_inverted_as_by_diffusers(
    kind: str, options: dict[str, Any], spacing: str, steps: int
) -> None:
    def predict(x: Tensor, timestep: Tensor) -> Tensor:
        return torch.tanh(x) * (timestep / 1000 + 0.3)

    forward = DDIMScheduler(prediction_type=kind, timestep_spacing=spacing, clip_sample=False, **options)
    forward.set_timesteps(steps)
    backward = DDIMInverseScheduler.from_config(forward.config)
    backward.set_timesteps(steps)
    x = torch.randn(1, 4, 6, 8, generator=torch.Generator().manual_seed(1))
    inversion = invert(x, Pass(forward, forward.timesteps))
    asked, path = next(inversion), None
    for timestep in backward.timesteps:
        assert torch.equal(asked.x, x) or torch.allclose(asked.x, x, rtol=1e-5, atol=1e-5)
        assert int(asked.timestep) == int(timestep) and list(asked.roles) == ["base"]
        x = backward.step(predict(x, timestep), timestep, x, return_dict=False)[0]
        try:
            asked = inversion.send(predict(asked.x, timestep))
        except StopIteration as finished:
            path = finished.value
    assert path is not None and len(path) == steps + 1
    assert torch.allclose(path[-1], x, rtol=1e-5, atol=1e-5)


def test_the_base_is_drawn_in_the_edits_calls_after_the_inversion(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    forward = sd.model.unet.forward
    monkeypatch.setattr(
        sd.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    steps = list(sd.stream([request(record="grid")]))
    assert rows == [1] * STEPS + [3] * STEPS
    assert [step.index for step in steps] == list(range(1, 2 * STEPS + 1))
    assert {step.count for step in steps} == {2 * STEPS}
    assert all(step.maps is None for step in steps[: STEPS - 1])
    result = steps[-1].result
    assert result is not None and result.maps is not None and result.base_maps is not None
    assert result.maps.num_steps == result.base_maps.num_steps == STEPS


def test_the_error_of_the_inversion_is_in_the_record(sd: TextToImagePipeline, tmp_path: Path) -> None:
    result = sd(request(num_steps=20))
    assert result.base is not None and result.base_psnr is not None
    gap = (np.asarray(result.base, float) - np.asarray(photo(), float)) / 255
    assert result.base_psnr == pytest.approx(-10 * np.log10((gap**2).mean()), abs=0.01)
    assert read_record(result.save(tmp_path / "a.png"))["base_psnr"] == result.base_psnr
    assert base_psnr(result.request, photo()) == 100
    assert sd(request(image=None, width=32, height=24)).base_psnr is None


@pytest.mark.parametrize("fields", [{}, {"guidance_scale": 1.0}, {"lossy_cache_interval": 3}], ids=str)
def test_outside_the_words_an_edit_has_the_latent_of_the_image(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    masks: list[Tensor] = []
    of_edit = Blend.of_edit

    def edit(blend: Blend, step: int, x: Tensor) -> Tensor:
        masks.append(blend.mask((x.shape[2], x.shape[3])))
        return of_edit(blend, step, x)

    monkeypatch.setattr(Blend, "of_edit", edit)
    result = sd(request(blend_words=("cat",), blend=FLAT, **fields))
    mask, image = masks[-1], clean(sd)
    assert 0 < mask.float().mean() < 1 and result.latent is not None
    assert torch.equal(result.latent[..., ~mask], image[..., ~mask])
    assert not torch.allclose(result.latent[..., mask], image[..., mask])


def test_an_edit_of_an_image_is_the_same_in_any_company_and_from_its_record(
    sd: TextToImagePipeline, tmp_path: Path
) -> None:
    asked = request(record="grid", scale_words={"cat": 2.0}, blend_words="dog", blend=FLAT)
    others = [request(image=None, width=32, height=24, seed=9), request(num_steps=3)]
    together = sd([others[0], asked, others[1]])
    for result, other in zip(together, [others[0], asked, others[1]], strict=True):
        assert largest_difference(result.image, sd(other).image) <= 1
    record = read_record(together[1].save(tmp_path / "a.png"))
    again = request_of(record, image=photo())
    assert again.scheduler == "ddim" and again.strength is None
    assert largest_difference(sd(again).image, together[1].image) <= 1
    with pytest.raises(RequestError, match="the picture was made from image of 32x24 pixels"):
        request_of(record)


def test_a_row_of_a_manifest_edits_an_image(sd: TextToImagePipeline, tmp_path: Path) -> None:
    photo().save(tmp_path / "photo.png")
    manifest = tmp_path / "edits.csv"
    manifest.write_text(f"prompt,edit_of,image,num_steps\n{EDIT},{BASE},photo.png,{STEPS}\n")
    (row,) = read_rows(manifest).rows
    asked = row.request()
    assert largest_difference(sd(asked).image, sd(request()).image) <= 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"strength": 0.5}, "edit_of, image and strength are given; the whole image is turned into noise"),
        ({"mask": photo().convert("L")}, "leave out mask, or edit_of"),
        ({"hires_scale": 2.0}, "leave out hires_scale"),
        ({"eta": 0.5}, "leave out eta"),
        ({"timesteps": (900, 700, 500, 300, 100)}, "leave out timesteps"),
        ({"pick": 4}, "pick is 4 and image is given"),
        ({"blend_words": ("pear",)}, "blend_words has 'pear', which neither prompt has"),
    ],
)
def test_what_an_edit_of_an_image_cannot_have_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**fields)
    assert words in str(refusal.value)


def test_what_cannot_be_inverted_is_refused_in_words(
    sd: TextToImagePipeline, inpaint_folder: Path, edit_folder: Path, lcm_folder: Path
) -> None:
    refusals = {
        inpaint_folder: "this model draws into the masked part of an image and inverts none",
        edit_folder: "this model edits images and inverts none",
        lcm_folder: "this model was distilled to a few steps",
    }
    for folder, words in refusals.items():
        with pytest.raises(RequestError, match=words):
            loaded(folder)(request())
    with pytest.raises(RequestError, match="scheduler is 'euler', with edit_of and image"):
        sd(request(scheduler="euler"))
    assert sd.engine.resolve(request(scheduler="ddim-trailing")).scheduler == "ddim-trailing"
    assert sd.engine.resolve(request(scheduler="model")).scheduler == "model"  # DDIM, here


def test_a_model_with_another_scheduler_of_its_own_inverts_by_ddim(make_sd: Callable[..., Path]) -> None:
    pipe = loaded(make_sd(scheduler={"cls": "DDPMScheduler"}))
    asked = pipe.engine.resolve(request())
    assert asked.scheduler == "ddim"
    with pytest.raises(RequestError, match="scheduler is 'model'"):
        pipe.engine.resolve(replace(asked, scheduler="model"))
    assert pipe(asked).base_psnr is not None
