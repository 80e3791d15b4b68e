"""Predictions between whole ones reuse the deep feature: the same picture in any batch."""

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.latents.vae import decode
from limelight.pipeline.results.foreign.a1111 import record_of
from limelight.pipeline.results.png import parameters_text, read_record, request_of
from limelight.pipeline.sampling.compiled import Graphs
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.sampling.passes import make_passes, make_trajectory
from limelight.unet import DeepFeature, UNet
from tests.pipeline.stock import largest_difference

Calls = list[tuple[int, bool]]  # rows, and whether they took a deep feature


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


@pytest.fixture
def calls(pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """The U-Net's calls while the test runs."""
    made: Calls = []
    forward = pipe.model.unet.forward

    def spy(x: torch.Tensor, *args: object, deep: DeepFeature | None = None, **options: object) -> object:
        made.append((len(x), deep is not None and deep.kept is not None))
        return forward(x, *args, deep=deep, **options)

    monkeypatch.setattr(pipe.model.unet, "forward", spy)
    yield made


def request(**fields: object) -> GenerationRequest:
    known = {"prompt": "a red apple", "seed": 3, "num_steps": 7, "lossy_cache_interval": 3}
    return GenerationRequest(**(known | fields))


def image() -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8))


@torch.inference_mode()
def by_hand(pipe: TextToImagePipeline, asked: GenerationRequest) -> Image.Image:
    """The picture of a guided request: one call after the other, none with another's rows."""
    model, asked = pipe.model, pipe.engine.resolve(asked)
    texts = [model.text.negative(asked.negative_prompt), model.text.prompt(asked.prompt)]
    context = torch.stack([text.context for text in texts])
    trajectory, deep = make_trajectory(asked, model, make_passes(asked, model)), DeepFeature()
    wanted = next(trajectory)
    for index in count():
        if index % asked.lossy_cache_interval == 0:
            deep = DeepFeature()
        rows = model.unet(wanted.x, wanted.timestep.expand(2), context, deep=deep)
        try:
            wanted = trajectory.send(rows)
        except StopIteration as finished:
            return decode(model.vae, finished.value)
    raise AssertionError


def test_it_draws_as_the_method_is_defined(pipe: TextToImagePipeline, calls: Calls) -> None:
    result = pipe(request())
    assert calls == [(2, kept) for kept in (False, True, True, False, True, True, False)]
    assert largest_difference(result.image, by_hand(pipe, request())) <= 1
    assert largest_difference(result.image, pipe(request(lossy_cache_interval=1)).image) > 1


def test_without_an_interval_no_feature_is_kept(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    forward = pipe.model.unet.forward
    monkeypatch.setattr(
        pipe.model.unet, "forward", lambda *a, **k: (given.append(k.get("deep")), forward(*a, **k))[1]
    )
    pipe(request(lossy_cache_interval=1))
    assert given == [None] * 7


def test_an_interval_longer_than_the_steps_computes_one_whole(
    pipe: TextToImagePipeline, calls: Calls
) -> None:
    pipe(request(num_steps=4, lossy_cache_interval=20))
    assert calls == [(2, False), (2, True), (2, True), (2, True)]


def test_where_guidance_begins_a_whole_prediction_has_its_rows(
    pipe: TextToImagePipeline, calls: Calls
) -> None:
    pipe(request(num_steps=8, lossy_cache_interval=4, guidance_start=0.25, guidance_end=0.5))
    one, two = [(1, False), (1, True)], [(2, False), (2, True)]
    assert calls == [*one, *two, (1, True), (1, True), (1, False), (1, True)]


def test_a_picture_is_the_same_beside_others_in_other_phases(pipe: TextToImagePipeline, calls: Calls) -> None:
    asked = [
        request(),
        request(seed=4, lossy_cache_interval=2),
        request(seed=5, lossy_cache_interval=1),
        request(seed=6, guidance_start=0.3, num_steps=9),
        request(seed=7, guidance_scale=1.0),
        request(seed=8, width=24, height=32),
        request(seed=9, scheduler="heun", prompt="a cat BREAK a dog"),
    ]
    together = pipe(asked)
    assert any(rows > 2 and kept for rows, kept in calls)
    for result in together:
        assert largest_difference(result.image, pipe(result.request).image) <= 1


def test_exact_company_changes_no_bit(pipe: TextToImagePipeline) -> None:
    engine = Engine(pipe.model, exact=True)
    asked = [request(), request(seed=4, lossy_cache_interval=2), request(seed=5, lossy_cache_interval=1)]
    for step in engine.run(asked):
        if step.result is not None:
            (*_, alone) = engine.run([asked[step.id]])
            assert step.result.image.tobytes() == alone.result.image.tobytes()


@pytest.mark.parametrize(
    ("fields", "wholes"),
    [
        ({"image": image(), "strength": 0.6}, [True, False, False, True]),
        ({"image": image(), "mask": Image.new("L", (16, 16), 255)}, [True, False, False] * 2 + [True]),
        ({"hires_scale": 2.0, "num_steps": 4}, [True, False, False, True, True, False]),
    ],
    ids=["image", "mask", "hires"],
)
def test_images_and_second_passes(
    fields: dict[str, object], wholes: list[bool], pipe: TextToImagePipeline, calls: Calls
) -> None:
    result = pipe(request(**fields))
    assert [not kept for _, kept in calls] == wholes
    assert result.image.size == result.request.final_size


def test_a_model_that_edits_images(edit_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(edit_folder, device="cpu")
    lossy, exact = (pipe(request(image=image(), lossy_cache_interval=n)).image for n in (3, 1))
    assert 1 < largest_difference(lossy, exact)


def test_the_record_brings_it_back(pipe: TextToImagePipeline, tmp_path: Path) -> None:
    result = pipe(request())
    again = request_of(read_record(result.save(tmp_path / "a.png")))
    assert again.lossy_cache_interval == 3
    assert pipe(again).image.tobytes() == result.image.tobytes()
    text = parameters_text(result.info)
    assert "Lossy cache interval: 3" in text
    assert record_of(text)["request"]["lossy_cache_interval"] == 3
    assert "Lossy" not in parameters_text(pipe(request(lossy_cache_interval=1)).info)


def test_maps_are_of_the_whole_predictions(pipe: TextToImagePipeline) -> None:
    extras = ("steps", "values", "refined", "negative")
    asked = request(record="site", record_extras=extras, record_points=((3, 3),))
    result = pipe(asked)
    assert result.image.tobytes() == pipe(request()).image.tobytes()
    maps = result.maps
    recording = maps.recording
    assert (len(recording.steps), recording.num_repeated) == (7, 4)
    wholes = [maps.step(i) for i in (0, 3, 6)]
    for step, of in ((1, 0), (2, 0), (4, 3), (5, 3)):
        assert maps.step(step).word("apple").equal(maps.step(of).word("apple"))
    assert not wholes[0].word("apple").equal(wholes[1].word("apple"))
    for site in maps.sites():
        mean = torch.stack([whole.site(site) for whole in wholes]).mean(0)
        torch.testing.assert_close(maps.site(site), mean, atol=1e-3, rtol=0)  # single steps are in float16
        torch.testing.assert_close(maps.site(site).sum(0), torch.ones(maps.site(site).shape[1:]))
    for view in (maps, maps.values, maps.refined, maps.negative):
        assert (len(view.recording.steps), view.recording.num_repeated) == (7, 4)
        total = view.probabilities().sum(0)
        torch.testing.assert_close(total, torch.ones_like(total), atol=1e-4, rtol=0)
    torch.testing.assert_close(maps.point(3, 3).sum(), torch.tensor(1.0))


def test_a_prediction_drawn_again_leaves_its_own_feature(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", attention="sdpa-math")
    expected = pipe(request())
    site = "up_blocks.1.attentions.0.transformer_blocks.0.attn2"
    planned, seen = pipe.engine.attention(16, 16), []
    backend = planned.plan[site]

    def fails(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, **options: object) -> torch.Tensor:
        seen.append(1)  # whole predictions alone come here; the second of them, and when it is looked at
        out = backend.run(q, k, v, **options)
        return out * torch.nan if len(seen) in (2, 3) else out

    failing = {**planned.plan, site: replace(backend, run=fails)}
    pipe.engine._attention[16, 16] = replace(planned, plan=failing)
    result = pipe(request(record="grid"))
    assert [note.partition(":")[0] for note in result.info["retries"]] == ["prediction 4 of 7"]
    assert largest_difference(result.image, expected.image) <= 1
    assert (len(result.maps.recording.steps), result.maps.recording.num_repeated) == (7, 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lossy_cache_interval": 0}, "lossy_cache_interval is 0; must be from 1 to 20"),
        ({"lossy_cache_interval": 21}, "lossy_cache_interval is 21; must be from 1 to 20"),
        ({"lossy_cache_interval": 2.5}, "lossy_cache_interval is 2.5; must be a whole number"),
        (
            {"record": "grid", "record_queries": (1,)},
            "lossy_cache_interval is 3 with record_queries; predictions between whole ones have no "
            "queries: set it to 1, or leave record_queries out",
        ),
    ],
)
def test_unsupported_requests_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError) as error:
        request(**fields)
    assert str(error.value) == message


def test_a_compiled_model_refuses_it(pipe: TextToImagePipeline) -> None:
    plain = copy(pipe.model.unet)
    plain.__class__ = UNet  # that which is optimized for a CPU is not compiled
    engine = Engine(pipe.model, graphs=Graphs(plain, 8, backend="eager"))
    engine.resolve(request(lossy_cache_interval=1))
    with pytest.raises(RequestError) as error:
        engine.resolve(request())
    assert str(error.value) == (
        "lossy_cache_interval is 3; a compiled U-Net computes every prediction whole: set it to 1, or leave "
        "compile out"
    )
