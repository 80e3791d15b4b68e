"""The maps equal those of the stock U-Net, for any request in any batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from limelight.attention.recording.recording import Frame, Recording
from limelight.attention.recording.size import RecordingTooLarge
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.selection import NoSuchMap, Selection
from limelight.pipeline.text.clip_encoder import Token
from tests.pipeline.stock import contexts_of


class Probabilities:
    """A processor for diffusers' attention layers that also keeps softmax(q kT) of cross-attention."""

    def __init__(self, site: str, kept: dict[str, Tensor]) -> None:
        self.site, self.kept = site, kept

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            attn.head_to_batch_dim(f(x))
            for f, x in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        weights = (q @ k.mT * attn.scale).softmax(-1)  # (b heads) n m
        if encoder_hidden_states is not None:
            self.kept[self.site] = weights.unflatten(0, (hidden_states.shape[0], -1))
        return attn.to_out[1](attn.to_out[0](attn.batch_to_head_dim(weights @ v)))


def stock_unet(folder: Path) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    from diffusers import UNet2DConditionModel

    unet, kept = UNet2DConditionModel.from_pretrained(folder / "unet"), {}
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    unet.set_attn_processor({f"{name}.processor": Probabilities(name, kept) for name in names})
    return unet.eval(), kept


def asked_for(**fields: object) -> GenerationRequest:
    return GenerationRequest(
        **({"prompt": "a red apple, a Red car", "seed": 3, "num_steps": 2, "record": "head"} | fields)
    )


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8))


CASES = {
    "plain": [asked_for()],
    "guidance off": [asked_for(guidance_scale=1.0)],
    "not square": [asked_for(width=32, height=16)],
    "several pictures": asked_for().repeated(3),
    "several prompts, lengths and sizes": [
        asked_for(prompt="a blue car"),
        asked_for(prompt="a BREAK b"),
        asked_for(prompt="(c:1.5) " * 40, guidance_scale=1.0),
        asked_for(width=24, height=24),
    ],
}


@pytest.mark.parametrize("family", ["sd", "sdxl"])
@pytest.mark.parametrize("case", CASES)
def test_every_site_and_head_equals_the_stock_unets(
    case: str, family: str, sd_folder: Path, sdxl_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sd_folder if family == "sd" else sdxl_folder
    pipe = TextToImagePipeline.from_pretrained(folder, device="cpu")
    stock, kept = stock_unet(folder)
    assert_maps_are_the_stock_unets(pipe, CASES[case], stock, kept, monkeypatch)


@pytest.mark.parametrize("kind", ["lcm", "edit", "inpaint"])
def test_maps_of_other_kinds_of_models_equal_those_of_stock_unets(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = request.getfixturevalue(f"{kind}_folder")
    pipe = TextToImagePipeline.from_pretrained(folder, device="cpu")
    fields = {"lcm": {"scheduler": "lcm"}, "edit": {"image": picture()}}
    fields["inpaint"] = {"image": picture(), "mask": picture()}
    asked = asked_for(num_steps=3, **fields[kind])
    others = [asked_for(num_steps=3, prompt="a blue car", **fields[kind])]
    assert_maps_are_the_stock_unets(pipe, [asked, *others], *stock_unet(folder), monkeypatch)


def assert_maps_are_the_stock_unets(
    pipe: TextToImagePipeline,
    asked: list[GenerationRequest],
    stock: torch.nn.Module,
    kept: dict[str, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for result, one in zip(pipe(asked), asked, strict=True):
        expected = oracle(pipe, stock, kept, one, monkeypatch)
        assert set(expected) == set(result.maps.recording.sums)
        for site, heads in expected.items():
            for index in range(len(heads)):
                got = result.maps.head(site, index)
                assert (got - heads[index]).abs().max() <= 1e-5
            assert (result.maps.site(site).sum(0) - 1).abs().max() <= 1e-5


def oracle(pipe, stock, kept, one: GenerationRequest, monkeypatch) -> dict[str, Tensor]:
    """Site -> mean over the predictions of the prompt's row, heads m h w, the request drawn alone."""
    calls: list[tuple] = []
    forward = pipe.model.unet.forward
    with monkeypatch.context() as patch:
        patch.setattr(pipe.model.unet, "forward", lambda *a, **k: (calls.append((a, k)), forward(*a, **k))[1])
        pipe(one)
    totals: dict[str, Tensor] = {}
    for (x, t, _), options in calls:
        context = contexts_of(one, pipe.model, len(x))
        added = (
            {"text_embeds": options["pooled"], "time_ids": options["size_ids"]}
            if options["pooled"] is not None
            else None
        )
        with torch.no_grad():
            stock(x, t, context, timestep_cond=options["time_cond"], added_cond_kwargs=added)
        for site, weights in kept.items():
            rows = weights[-1].float()  # heads n m of the prompt
            factor = (x.shape[2] * x.shape[3] // rows.shape[1]) ** 0.5
            grid = round(x.shape[2] / factor), round(x.shape[3] / factor)
            length = len(pipe.model.text.prompt(one.prompt).context)
            folded = rows.unflatten(-1, (-1, length)).sum(-2)
            maps = folded.mT.unflatten(-1, grid)
            totals[site] = totals.get(site, 0) + maps / len(calls)
    return totals


def test_recording_changes_no_pixel(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    plain = pipe(asked_for(record=False))
    for level in ("grid", "site", "head"):
        assert pipe(asked_for(record=level)).image.tobytes() == plain.image.tobytes()
    assert plain.maps is None


def test_a_recording_that_would_not_fit_is_refused_before_the_first_step(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    large = asked_for(width=2048, height=2048, record="head", prompt="a " * 590)
    with pytest.raises(
        RecordingTooLarge, match=r"recording 'head' for 4 sites, 616 tokens and 2 steps takes"
    ):
        next(pipe.stream([large]))


def test_steps_carry_the_maps_so_far(sd_folder: Path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    lengths = [len(step.maps.recording.steps) for step in pipe.stream([asked_for(num_steps=3)])]
    assert lengths == [1, 2, 3]


def predictions() -> list[dict[tuple[int, int], Tensor]]:
    random = torch.Generator().manual_seed(0)
    return [
        {grid: torch.rand(7, *grid, generator=random).softmax(0) for grid in ((4, 6), (2, 3))}
        for _ in range(2)
    ]


@pytest.fixture
def maps() -> HeatMaps:
    """Two grids of known numbers for: start, a, red (two pieces), car, end."""
    prompt = "A red, car red"
    spans = [(0, 0), (0, 1), (2, 4), (4, 5), (7, 10), (11, 14), (0, 0)]
    tokens = tuple(Token("x", span) for span in spans)
    recording = Recording("grid", 7)
    for grids in predictions():
        recording.append(Frame(grids=grids, num_sites=dict.fromkeys(grids, 1)))
    return HeatMaps(prompt, tokens, (32, 48), Selection(recording))


def test_words_have_the_tokens_of_their_characters(maps: HeatMaps) -> None:
    assert [(word.text, word.tokens) for word in maps.words()] == [
        ("A", (1,)),
        ("red", (2, 3)),
        ("car", (4,)),
        ("red", (5,)),
    ]


def test_a_words_map_is_the_sum_of_its_tokens(maps: HeatMaps) -> None:
    both = maps.word("RED")
    assert both.shape == (32, 48)
    assert both.dtype == torch.float32
    parts = maps.word("red", 0) + maps.word("red", 1)
    torch.testing.assert_close(both, parts, atol=1e-5, rtol=0)


def test_probabilities_of_all_tokens_sum_to_one(maps: HeatMaps) -> None:
    torch.testing.assert_close(maps.probabilities().sum(0), torch.ones(4, 6))
    total = sum(maps.token(i) for i in range(7))
    torch.testing.assert_close(total, torch.ones(32, 48), atol=1e-4, rtol=0)


def test_the_coarsest_grid_has_no_part_unless_it_is_asked_for(maps: HeatMaps) -> None:
    steps = predictions()
    torch.testing.assert_close(maps.probabilities(), (steps[0][4, 6] + steps[1][4, 6]) / 2)
    torch.testing.assert_close(maps.grid(2).probabilities(), (steps[0][2, 3] + steps[1][2, 3]) / 2)
    assert (maps.step(1).probabilities() - steps[1][4, 6]).abs().max() <= 2**-11  # in half precision


def test_the_way_back_shares_a_point_among_the_words(maps: HeatMaps) -> None:
    shares = maps.at(10, 20)
    assert set(shares) == {"A", "red", "car"}
    assert shares["red"] == pytest.approx(float(maps.word("red")[20, 10]), abs=1e-4)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda maps: maps.word("blue"), "the prompt has no word 'blue'; its words are A, red, car"),
        (lambda maps: maps.word("red", 2), "occurrence of 'red' is 2; the prompt has 0 to 1"),
        (lambda maps: maps.word("!"), "'!' holds no word; its words are A, red, car"),
        (lambda maps: maps.token(7), "token is 7; the context has 0 to 6"),
        (lambda maps: maps.step(2), "step is 2; recorded are 0 to 1"),
        (lambda maps: maps.grid(3), "grid is 3; recorded are 4, 2"),
        (lambda maps: maps.site("a"), "recorded at level 'grid'; sites need record='site' or 'head'"),
        (lambda maps: maps.head("a", 0), "recorded at level 'grid'; heads need record='head'"),
        (lambda maps: maps.at(48, 0), r"the point is \(48, 0\); the picture is 48x32"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(maps: HeatMaps, ask: object, message: str) -> None:
    with pytest.raises(NoSuchMap, match=message):
        ask(maps)


def test_maps_are_numbers_between_0_and_1(maps: HeatMaps) -> None:
    for i in range(7):
        values = np.asarray(maps.token(i))
        assert values.min() >= 0
        assert values.max() <= 1


@pytest.mark.parametrize(
    ("prompt", "word"),
    [
        ("a 🍎 on it", "🍎"),
        ("一个红色的苹果", "红色"),
        ("a cafe\u0301 table", "caf\u00e9"),
        ("a café", "CAFE\u0301"),
    ],
)
def test_every_script_has_maps_however_a_word_is_spelled(sd_folder: Path, prompt: str, word: str) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    request = GenerationRequest(prompt=prompt, num_steps=1, seed=1, width=64, height=64, record="grid")
    maps = pipe(request).maps
    assert maps.word(word).max() > 0
    with pytest.raises(NoSuchMap):
        maps.word("苹红" if "红" in prompt else "🍏")  # characters that do not touch are no word
