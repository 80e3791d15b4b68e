"""Many requests through one U-Net: no picture depends on the others in its batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import NonFinitePicture, NonFinitePrediction
from limelight.pipeline.sampling.passes import make_passes, make_trajectory


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def request(**fields: object) -> GenerationRequest:
    return GenerationRequest(**({"prompt": "a red apple", "seed": 3, "num_steps": 5} | fields))


def pixels(result: object) -> np.ndarray:
    return np.asarray(result.image, dtype=int)


def assert_same_picture(a: object, b: object) -> None:
    assert np.abs(pixels(a) - pixels(b)).max() <= 1


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_picture_is_the_same_in_any_batch(pipe: TextToImagePipeline, count: int) -> None:
    alone = pipe(request())
    batch = pipe(request().repeated(count))
    assert_same_picture(batch[0], alone)
    for result in batch:
        assert_same_picture(result, pipe(result.request))
    assert len({result.image.tobytes() for result in batch}) == count


def test_a_picture_is_the_same_beside_other_prompts_steps_schedulers_guidance_and_sizes(
    pipe: TextToImagePipeline,
) -> None:
    others = [
        request(prompt="a blue car", seed=9),
        request(num_steps=9, scheduler="euler"),
        request(guidance_scale=1.0, scheduler="dpm++2m"),
        request(width=24, height=32),
        request(prompt="a cat BREAK a dog", seed=5),
        request(prompt="a BREAK b BREAK (c:1.4)", negative_prompt="d BREAK e", seed=6),
        request(prompt="", negative_prompt="blurry", scheduler="heun"),
    ]
    together = pipe([request(), *others])
    for result, asked in zip(together, [request(), *others], strict=True):
        assert_same_picture(result, pipe(asked))


def test_stochastic_schedulers_draw_from_their_own_seed(pipe: TextToImagePipeline) -> None:
    asked = [request(scheduler="euler-a", seed=seed) for seed in (1, 2)]
    for result, alone in zip(pipe(asked), map(pipe, asked), strict=True):
        assert_same_picture(result, alone)


def test_the_initial_noise_is_the_seeds_alone(pipe: TextToImagePipeline) -> None:
    expected = torch.randn((1, 4, 8, 8), generator=torch.Generator("cpu").manual_seed(7))
    asked = pipe.engine.resolve(request(seed=7, guidance_scale=1.0))
    first = next(make_trajectory(asked, pipe.model, make_passes(asked, pipe.model)))
    assert torch.equal(first.x, expected)


def test_the_batch_bounds_the_rows_of_a_call(sd_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=4)
    rows: list[int] = []
    forward = pipe.model.unet.forward
    monkeypatch.setattr(
        pipe.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    pipe([*request().repeated(3), *request(guidance_scale=1.0).repeated(3)])
    assert max(rows) == 4
    assert sum(rows) == 5 * (3 * 2 + 3)


def test_one_row_of_room_still_draws_a_guided_request(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=1)
    assert pipe(request().repeated(2))[1].image.size == (16, 16)


def test_steps_count_up_and_the_last_brings_the_result(pipe: TextToImagePipeline) -> None:
    steps = list(pipe.stream([request(), request(num_steps=2, seed=4)]))
    mine = [step for step in steps if step.id == 0]
    assert [(step.index, step.count) for step in mine] == [(i, 5) for i in range(1, 6)]
    assert [step.result is not None for step in mine] == [False] * 4 + [True]
    assert len([step for step in steps if step.id == 1]) == 2


def test_breaking_out_of_the_loop_cancels(pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = pipe.model.unet.forward
    monkeypatch.setattr(pipe.model.unet, "forward", lambda *a, **k: (calls.append(1), forward(*a, **k))[1])
    stream = pipe.stream(request().repeated(2))
    next(stream)
    stream.close()
    assert len(calls) == 1


def test_requests_are_taken_only_when_there_is_room(pipe: TextToImagePipeline) -> None:
    taken = []

    def endless() -> object:
        for seed in range(10**6):
            taken.append(seed)
            yield request(seed=seed)

    stream = pipe.stream(endless())
    next(stream)
    assert len(taken) == pipe.engine.max_rows // 2
    stream.close()


def test_nan_in_a_weight_names_step_and_place_and_saves_nothing(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    with torch.no_grad():
        pipe.model.unet.conv_in.weight[0, 0, 0, 0] = torch.nan
    (step,) = pipe.stream([request()])
    assert step.result is None
    assert isinstance(step.error, NonFinitePrediction)
    assert str(step.error) == (
        "NaN or infinity in prediction 1 of 5: before attention at "
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1 (a weight, or the input); "
        "the same with the math backend; nothing is saved"
    )
    with pytest.raises(NonFinitePrediction):
        pipe(request())


def test_a_backend_that_fails_is_replaced_by_math_for_that_prediction_and_recorded(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", attention="sdpa-math")
    expected = pipe(request())
    site = "up_blocks.1.attentions.0.transformer_blocks.0.attn2"
    planned, calls = pipe.engine.attention(16, 16), []
    backend = planned.plan[site]

    def fails_once(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: object) -> torch.Tensor:
        calls.append(1)
        out = backend.run(q, k, v, **options)
        return (
            out * torch.nan if len(calls) in (3, 4) else out
        )  # the third step, and when it is looked at again

    failing = {**planned.plan, site: replace(backend, run=fails_once)}
    pipe.engine._attention[16, 16] = replace(planned, plan=failing)
    result = pipe(request())
    assert result.info["retries"] == [
        f"prediction 3 of 5: in attention at {site}, backend sdpa-math; drawn again with math"
    ]
    assert_same_picture(result, expected)


def test_one_bad_request_does_not_stop_the_others(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    bad = request(prompt="bad")
    encoded = pipe.model.text.prompt("bad")
    encoded.context.fill_(torch.nan)
    steps = list(pipe.stream([request(), bad, request(seed=8)]))
    assert [s.id for s in steps if s.error] == [1]
    results = {s.id: s.result for s in steps if s.result}
    assert_same_picture(results[0], pipe(request()))
    assert sorted(results) == [0, 2]


def test_a_vae_that_overflows_makes_no_picture(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    with torch.no_grad():
        pipe.model.vae.decoder.conv_out.bias.fill_(torch.inf)
    with pytest.raises(NonFinitePicture, match="the VAE returned NaN or infinity in float32"):
        pipe(request())


def test_the_record_says_what_made_the_picture(pipe: TextToImagePipeline, sd_folder: Path) -> None:
    info = pipe(request()).info
    assert info["request"] == {
        "prompt": "a red apple",
        "negative_prompt": "",
        "seed": 3,
        "width": 16,
        "height": 16,
        "num_steps": 5,
        "guidance_scale": 7.5,
        "scheduler": "model",
        "record": False,
        "clip_skip": 1,
        "prompt_syntax": "limelight",
        "guidance_rescale": 0.0,
        "pag_scale": 0.0,
        "seg_scale": 0.0,
        "freeu": None,
        "pladis": 0.0,
        "pick": 1,
        "scale_words": [],
        "edit_of": None,
        "keep": [0.6, 0.4],
        "blend_words": [],
        "blend": [0.3, 0.2],
        "guidance_start": 0.0,
        "guidance_end": 1.0,
        "image": None,
        "mask": None,
        "strength": None,
        "image_guidance_scale": None,
        "hires_scale": None,
        "hires_strength": None,
        "enlarge": None,
        "lossy_cache_interval": 1,
        "paint": [],
        "regions": [],
        "heads": [],
        "record_extras": [],
        "record_points": [],
        "record_queries": [],
        "expansion": None,
        "timesteps": [],
        "sigmas": [],
        "eta": 0.0,
        "latents": None,
        "denoising_start": None,
        "denoising_end": None,
        "original_size": None,
        "crops_coords_top_left": None,
        "target_size": None,
        "aesthetic_score": None,
        "negative_aesthetic_score": None,
        "padding_mask_crop": None,
    }
    assert info["adapters"] == []
    assert info["model"]["name"] == str(sd_folder)
    assert len(info["model"]["hash"]) == 64
    assert set(info["attention"]) == {"self", "cross"}
    assert info["versions"]["torch"] == torch.__version__
