"""Steered requests in an engine: in any batch, at any size, in the record, and in the maps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.attention import BackendRefused, backends, registry
from limelight.attention.capability import ANY_DEVICE, FLOATS, Capability, Limits
from limelight.attention.steering import Steering
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.places import Placed, PlaceWarning
from limelight.pipeline.requests.steering import Painted, Region
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.coverage import coverage
from limelight.pipeline.sampling.steering import FLOOR, start_steering

PAINT = ("apple@0,0,0.5,1", "dog@0.5,0.5,1,1;strength=100;until=1")
REGIONS = ("a car@0,0,0.5,1", "a cat@0.5,0,1,1;negative_prompt=grey;weight=2")
HEADS = ("cross:1=0", "self=2;end=0.5;negative=yes")
STEERED = {"paint": PAINT, "regions": REGIONS, "heads": HEADS}


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def request(**fields: object) -> GenerationRequest:
    given = {"prompt": "an apple and a dog", "seed": 3, "num_steps": 4} | fields
    return GenerationRequest(**given)  # type: ignore[arg-type]


def difference(a: object, b: object) -> int:
    first, second = (np.asarray(each.image, dtype=int) for each in (a, b))  # type: ignore[attr-defined]
    return int(np.abs(first - second).max())


@torch.inference_mode()
def steerings(pipe: TextToImagePipeline, asked: GenerationRequest, progress: float) -> list[Steering | None]:
    resolved = pipe.engine.resolve(asked)
    prompt = pipe.model.text.prompt(resolved.prompt)
    steering = start_steering(resolved, pipe.model, prompt)
    assert steering is not None
    return steering.rows(["negative", "prompt"], progress)


@pytest.mark.parametrize("field", STEERED)
def test_a_steered_picture_is_the_same_in_any_company(pipe: TextToImagePipeline, field: str) -> None:
    steered = request(**{field: STEERED[field]})
    others = [request(), request(prompt="a BREAK b", seed=5), request(guidance_scale=1.0, **STEERED)]
    together = pipe([others[0], steered, *others[1:]])
    for result, asked in zip(together, [others[0], steered, *others[1:]], strict=True):
        assert difference(result, pipe(asked)) <= 1
    assert difference(together[0], together[1]) > 3


def test_bits_are_the_same_in_any_company_where_they_are_exact(sd_folder: Path) -> None:
    exact = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", exact=True)
    asked = request(**STEERED)
    together = exact([request(seed=9), asked, request(prompt="a BREAK b", paint="b@0,0,1,.5")])
    assert difference(together[1], exact(asked)) == 0


def test_the_record_draws_the_same_picture(pipe: TextToImagePipeline, tmp_path: Path) -> None:
    mask = Image.linear_gradient("L").resize((30, 20))
    asked = request(paint=[Painted("apple", mask=mask), "dog@0,0,0.5,1"], regions=REGIONS, heads=HEADS)
    with pytest.warns(PlaceWarning, match=r"the mask of the painted word 'apple' is 1\.50 times as wide"):
        drawn = pipe(asked)
    record = read_record(drawn.save(tmp_path / "a.png"))
    with pytest.warns(PlaceWarning):
        assert difference(pipe(request_of(record)), drawn) == 0


def test_strength_falls_evenly_and_the_negative_prompt_is_left_alone(pipe: TextToImagePipeline) -> None:
    asked = request(paint=PAINT)
    for progress, left in ((0.0, (1.0, 1.0)), (0.25, (0.5, 0.75)), (0.75, (0.0, 0.25))):
        negative, prompt = steerings(pipe, asked, progress)
        assert negative is None and prompt is not None and prompt.bias is not None
        nats = prompt.bias.strength.max(0).values
        expected = torch.tensor([np.log(20), np.log(100)]) * torch.tensor(left)
        torch.testing.assert_close(nats, expected.float())
    assert steerings(pipe, request(paint=PAINT[:1]), 0.5) == [None, None]


def test_all_tokens_of_a_word_are_painted(pipe: TextToImagePipeline) -> None:
    """The tokenizer here knows letters alone: 'apple' has 5 tokens, 'a' and 'n' before it are others'."""
    _, prompt = steerings(pipe, request(paint="apple@0,0,.5,1"), 0)
    assert prompt is not None and prompt.bias is not None
    assert prompt.bias.strength[:, 0].nonzero().flatten().tolist() == [3, 4, 5, 6, 7]
    assert torch.equal(prompt.bias.region((1, 4))[:, 0], torch.tensor([1.0, 1.0, -1.0, -1.0]))


def test_weights_of_regions_and_prompt_add_up_to_1(pipe: TextToImagePipeline) -> None:
    regions = ("a car@0,0,0.6,1", "a cat@0.4,0,1,1;weight=3")
    with pytest.warns(PlaceWarning, match="'a car' and the region 'a cat' share 20% of the picture"):
        negative, prompt = steerings(pipe, request(regions=regions), 0)
    assert negative is None and prompt is not None and prompt.weight is not None
    grid = (5, 13)
    total = prompt.weight(grid) + sum(group.weight(grid) for group in prompt.groups)
    torch.testing.assert_close(total, torch.ones(65))
    assert prompt.weight(grid).min() >= FLOOR - 1e-6
    car, cat = (group.weight(grid).view(grid)[0] for group in prompt.groups)
    assert car[0] == pytest.approx(0.8) and cat[0] == 0
    assert cat[6] == pytest.approx(3 * car[6])  # where they overlap


def test_a_regions_negative_prompt_acts_on_the_negative_row(pipe: TextToImagePipeline) -> None:
    negative, prompt = steerings(pipe, request(regions=REGIONS), 0)
    assert negative is not None and prompt is not None and negative.weight is not None
    assert (len(negative.groups), len(prompt.groups)) == (1, 2)
    grid = (4, 8)
    total = negative.weight(grid) + negative.groups[0].weight(grid)
    torch.testing.assert_close(total, torch.ones(32))


def test_heads_act_in_their_window_and_on_the_prompt_unless_asked(pipe: TextToImagePipeline) -> None:
    cross, own = (
        next(site.name for site in pipe.model.unet.sites if site.kind == kind) for kind in ("cross", "self")
    )
    negative, prompt = steerings(pipe, request(heads=HEADS), 0.4)
    assert negative is not None and prompt is not None
    assert negative.heads.keys().isdisjoint({cross}) and prompt.heads[cross].tolist() == [1, 0]
    assert negative.heads[own].tolist() == prompt.heads[own].tolist() == [2, 2]
    negative, prompt = steerings(pipe, request(heads=HEADS), 0.5)
    assert negative is None and prompt is not None and own not in prompt.heads


@pytest.mark.parametrize(
    ("heads", "words"),
    [
        (
            "mid_block.attentions.0=0",
            "heads has the site 'mid_block.attentions.0', which this model",
        ),
        ("cross:2=0", "heads has head 2 of cross; it has heads 0 to 1"),
    ],
)
def test_a_head_that_is_not_there_is_refused_with_those_that_are(
    pipe: TextToImagePipeline, heads: str, words: str
) -> None:
    for refuse in (pipe, pipe.engine.plan):
        with pytest.raises(RequestError) as refusal:
            refuse(request(heads=heads))
        assert words in str(refusal.value)


def test_a_backend_that_takes_no_paint_is_refused_by_the_plan(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(dtypes=FLOATS, max_head_dim=16, masks=frozenset())
    blind = replace(registry.get("math"), name="blind", capability=Capability({ANY_DEVICE: limits}))
    monkeypatch.setattr(registry, "backends", (*backends, blind))
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", attention="blind")
    pipe.engine.plan(request())
    with pytest.raises(BackendRefused, match=r"attn2: paint cannot be obeyed: blind cannot run"):
        pipe.engine.plan(request(paint=PAINT))


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 40, "height": 24},
        {"hires_scale": 2.0, "hires_strength": 0.5},
        {"image": Image.new("RGB", (16, 16), "red"), "strength": 0.5},
        {"image": Image.new("RGB", (16, 16), "red"), "mask": Image.linear_gradient("L").resize((16, 16))},
        {"lossy_cache_interval": 2},
    ],
    ids=["another size", "second pass", "from an image", "inpainting", "lossy cache"],
)
def test_every_way_of_drawing_is_steered(pipe: TextToImagePipeline, fields: dict[str, object]) -> None:
    for name, value in STEERED.items():
        assert difference(pipe(request(**fields)), pipe(request(**fields, **{name: value}))) > 1, name


def test_the_maps_show_the_paint(pipe: TextToImagePipeline) -> None:
    plain, painted = (
        pipe(request(num_steps=1, record="grid", paint=paint)).maps.word("apple").mean(0)
        for paint in ((), ("apple@0,0,0.5,1;strength=1000",))
    )
    half = len(plain) // 2
    assert painted[:half].mean() > 10 * painted[half:].mean()
    assert plain[:half].mean() < 2 * plain[half:].mean()


def test_a_compiled_model_refuses_with_a_message(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    pipe.engine.graphs = lambda *a, **k: None  # type: ignore[assignment]  # nothing is compiled here
    with pytest.raises(RequestError, match="a compiled U-Net takes none: leave them or compile out"):
        pipe(request(paint=PAINT))


@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (8, 8), (64, 7)])
@pytest.mark.parametrize(
    "place",
    [
        Region("x", box=(0.1, 0.25, 0.37, 1)),
        Region("x", mask=Image.linear_gradient("L").rotate(30).resize((50, 40))),
    ],
    ids=["box", "mask"],
)
def test_coverage_keeps_the_area_at_any_size(place: Placed, grid: tuple[int, int]) -> None:
    covered = coverage(place, grid)
    assert covered.shape == grid and 0 <= covered.min() and covered.max() <= 1
    assert covered.mean().item() == pytest.approx(coverage(place, (40, 50)).mean().item(), abs=1e-6)


def test_soft_edges_are_soft_and_the_pictures_own_are_not() -> None:
    row = coverage(Region("x", box=(0, 0, 0.5, 1)), (1, 64), feather=1 / 16)[0]
    assert row[0] == 1 and row[-1] == 0
    assert ((row > 0) & (row < 1)).sum() == 4
    assert (row[:32] + row.flip(0)[:32] - 1).abs().max() <= 1e-6
