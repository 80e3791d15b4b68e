"""Negative prompts, contributions, points, single steps, refinement and queries are those of stock U-Nets."""

import json
import threading
from pathlib import Path

import pytest
import torch
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError, UsageError
from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.sampling.engine import Engine
from tests.pipeline.stock import contexts_of

EXTRAS = ("negative", "steps", "values", "refined")


class Seen:
    """A processor for diffusers' attention layers that keeps all tensors of its calls."""

    def __init__(self, site: str, kept: dict[str, dict[str, Tensor]]) -> None:
        self.site, self.kept = site, kept

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        projected = (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        q, k, v = (x.unflatten(-1, (attn.heads, -1)).transpose(1, 2) for x in projected)
        weights = (q @ k.mT * attn.scale).softmax(-1)  # b h n m
        self.kept[self.site] = {"q": q, "v": v, "weights": weights, "out": attn.to_out[0].weight}
        return attn.to_out[1](attn.to_out[0]((weights @ v).transpose(1, 2).flatten(2)))


class Stock:
    """A stock U-Net that is called as the pipeline's was, for a request drawn alone."""

    def __init__(self, folder: Path, pipe: TextToImagePipeline) -> None:
        from diffusers import UNet2DConditionModel

        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
        self.pipe, self.kept = pipe, {}
        names = [name.removesuffix(".processor") for name in self.unet.attn_processors]
        self.unet.set_attn_processor({f"{name}.processor": Seen(name, self.kept) for name in names})

    @torch.no_grad()
    def calls(self, one: GenerationRequest, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
        """For each prediction: site -> the tensors of its call, and the grid of each number of positions."""
        seen, unet = [], self.pipe.model.unet
        forward = unet.forward

        def keep(*arguments, **options):
            x, t, _ = arguments
            context = contexts_of(one, self.pipe.model, len(x))
            added = {"text_embeds": options["pooled"], "time_ids": options["size_ids"]}
            self.unet(x, t, context, added_cond_kwargs=added if options["pooled"] is not None else None)
            seen.append({site: dict(values) for site, values in self.kept.items()})
            return forward(*arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(unet, "forward", keep)
            self.pipe(one)
        return seen


def request(**fields: object) -> GenerationRequest:
    fixed = {"prompt": "a red apple", "negative_prompt": "a dark car", "seed": 3, "num_steps": 2}
    return GenerationRequest(**(fixed | {"record": "site", "record_extras": EXTRAS} | fields))


@pytest.fixture(scope="module", params=["sd", "sdxl"])
def stock(request: pytest.FixtureRequest) -> Stock:
    folder = request.getfixturevalue(f"{request.param}_folder")
    return Stock(folder, TextToImagePipeline.from_pretrained(folder, device="cpu"))


POINTS = ((1, 2), (15, 7), (0, 0))
CASES = {
    "plain": [request(record_points=POINTS, record_queries=(0, 1))],
    "guidance off": [request(guidance_scale=1.0, record_points=POINTS)],
    "not square, weighted and long, in company": [
        request(width=32, height=16, record_points=POINTS, record_queries=(1,)),
        request(prompt="(red:1.4) " * 40, width=32, height=16, record_points=((31, 15),)),
        request(record=False, record_extras=(), width=32, height=16),
    ],
}


def folded(weights: Tensor, length: int) -> Tensor:
    return weights.unflatten(-1, (-1, length)).sum(-2)


def is_cross(site: str) -> bool:
    return site.endswith("attn2")


@pytest.mark.parametrize("case", CASES)
def test_every_view_equals_that_of_the_stock_unet(case: str, stock: Stock, monkeypatch) -> None:
    for result, one in zip(stock.pipe(CASES[case]), CASES[case], strict=True):
        if not one.record:
            assert result.maps is None
            continue
        calls, maps, text = stock.calls(one, monkeypatch), result.maps, stock.pipe.model.text
        lengths = {"prompt": len(text.prompt(one.prompt).context)}
        lengths["negative"] = len(text.negative(one.negative_prompt).context)
        views = [("prompt", -1, maps)]
        if one.guidance_scale != 1:
            views.append(("negative", 0, maps.negative))
        for name, row, view in views:
            for site in view.sites():
                height, width = view.site(site).shape[1:]
                cross = [call[site] for call in calls]
                plain = [folded(c["weights"][row], lengths[name]) for c in cross]  # heads n m
                expected = torch.stack([p.mean(0).T.unflatten(-1, (height, width)) for p in plain])
                assert (view.site(site) - expected.mean(0)).abs().max() <= 1e-5
                for step in range(len(calls)):
                    assert (view.step(step).site(site) - expected[step]).abs().max() <= 2**-11
                values = [c["v"][row][:, : lengths[name]] for c in cross]
                out = cross[0]["out"].unflatten(-1, (len(plain[0]), -1))  # c h d
                norms = torch.stack(
                    [
                        torch.einsum("hnm,hmd,chd->nmc", p, v, out).norm(dim=-1)
                        for p, v in zip(plain, values, strict=True)
                    ]
                )
                got = view.values.site(site).flatten(1).T
                assert (got - norms.mean(0)).abs().max() <= 1e-5 * norms.max() + 1e-6
        assert set(maps.sites()) == {site for site in calls[0] if is_cross(site)}
        check_points(one, maps, calls)
        check_refined(maps, calls, lengths["prompt"])


def check_points(one: GenerationRequest, maps, calls: list[dict]) -> None:
    for x, y in one.record_points:
        for site in calls[0]:
            if is_cross(site):
                continue
            rows = torch.stack([call[site]["weights"][-1].mean(0) for call in calls]).mean(0)  # n n
            got = maps.point_at(site, x, y)
            h, w = got.shape
            position = y * h // maps.size[0] * w + x * w // maps.size[1]
            assert (got.flatten() - rows[position]).abs().max() <= 1e-5
        assert maps.point(x, y).shape == maps.size
        assert float(maps.point(x, y).sum()) == pytest.approx(1, abs=1e-4)


def check_refined(maps, calls: list[dict], length: int) -> None:
    for grid, got in maps.recording.views["refined"].steps[-1].items():
        n = grid[0] * grid[1]
        of_grid = [values for site, values in calls[-1].items() if values["weights"].shape[2] == n]
        own = [v["weights"][-1].mean(0) for v in of_grid if v["weights"].shape[3] == n]
        cross = [folded(v["weights"][-1], length).mean(0) for v in of_grid if v["weights"].shape[3] != n]
        expected = torch.stack(own).mean(0) @ torch.stack(cross).mean(0)  # n m
        assert (got.flatten(1).T.float() - expected).abs().max() <= 2**-11
    assert maps.refined.word("red").shape == maps.size


@pytest.mark.parametrize("words", ["umbrella", "open umbrella"])
@torch.no_grad()
def test_a_query_asks_the_pictures_queries_for_other_words(words: str, stock: Stock, monkeypatch) -> None:
    one = request(record="grid", record_extras=(), record_queries=(1,))
    maps, calls = stock.pipe(one).maps, stock.calls(one, monkeypatch)
    conditioning = stock.pipe.model.text.prompt(words)
    num_tokens = 2 + len(words.replace(" ", ""))  # the tokenizer knows letters alone
    layers = dict(stock.unet.named_modules())
    by_grid: dict[int, list[Tensor]] = {}
    for site, values in calls[1].items():
        if not is_cross(site):
            continue
        q, layer = values["q"][-1], layers[site]
        k = layer.to_k(conditioning.context[:num_tokens]).unflatten(-1, (layer.heads, -1)).transpose(0, 1)
        weights = (q @ k.mT * layer.scale).softmax(-1).mean(0)  # n m
        by_grid.setdefault(len(weights), []).append(weights[:, 1:-1].sum(-1))
    finest = max(by_grid)
    side = round(finest**0.5)
    expected = torch.stack(by_grid[finest]).mean(0).reshape(1, 1, side, side)
    expected = torch.nn.functional.interpolate(expected, size=maps.size, mode="bicubic")[0, 0]
    assert (maps.query(words) - expected.clamp(0, 1)).abs().max() <= 1e-3
    with pytest.raises(NoSuchMap, match="queries were recorded only for predictions 1"):
        maps.step(0).query(words)
    with pytest.raises(UsageError, match="takes more than 75 tokens; ask for a few words"):
        maps.query("a" * 80)


def test_recording_more_than_maps_changes_no_pixel(stock: Stock) -> None:
    plain = stock.pipe(request(record=False, record_extras=()))
    for record in ("grid", "head"):
        full = stock.pipe(request(record=record, record_points=POINTS, record_queries=(0,)))
        assert full.image.tobytes() == plain.image.tobytes()


def test_a_view_that_was_not_recorded_is_refused_with_the_option_to_record_it(stock: Stock) -> None:
    maps = stock.pipe(request(record="site", record_extras=(), record_points=((1, 2),))).maps
    for ask, message in (
        (
            lambda: maps.negative,
            r"the negative prompt was not recorded; it needs record_extras=\('negative',\)",
        ),
        (lambda: maps.values, r"values is not recorded; it needs record_extras=\('values',\)"),
        (lambda: maps.refined, r"refined is not recorded; it needs record_extras=\('refined',\)"),
        (lambda: maps.query("cat"), r"no queries were recorded; they need record_queries=\(a prediction"),
        (lambda: maps.point(2, 2), r"of the point \(2, 2\) is not recorded; that of \(1, 2\) is"),
        (lambda: maps.step(0).site(maps.sites()[0]), r"over all predictions together; those of a single one"),
        (lambda: maps.word("cat"), r"its words are a, red, apple; maps\.query\('cat'\) asks for others"),
    ):
        with pytest.raises(NoSuchMap, match=message):
            ask()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"record": False}, "record is False, with record_extras, record_points or record_queries; set it"),
        ({"record_extras": ("all",)}, "unknown extra 'all'; valid: negative, steps, values, refined"),
        ({"record_points": ((1,),)}, r"record_points has \(1,\); a point is \(x, y\)"),
        ({"record_points": 3}, "record_points is 3; must be a tuple or a list"),
        ({"record_points": ((64, 0),), "width": 64}, "x of a point is 64; must be from 0 to 63"),
        ({"record_queries": (-1,)}, "record_queries is -1; must be from 0 to 2000"),
    ],
)
def test_the_names_of_recordings_are_checked(fields: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request(**fields)


def test_queries_of_a_prediction_that_is_not_made_are_refused(stock: Stock) -> None:
    with pytest.raises(RequestError, match="record_queries has 2; the predictions are 0 to 1"):
        stock.pipe(request(record_queries=(2,)))


def test_a_request_with_points_comes_back_from_json() -> None:
    one = request(record_points=[[1, 2], [3, 4]], record_queries=[3, 1, 3])
    assert one.record_points == ((1, 2), (3, 4))
    assert one.record_queries == (1, 3)
    assert GenerationRequest.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_two_threads_record_each_its_own_through_one_unet(stock: Stock) -> None:
    prompts = ["a red apple", "two green cars and a long road"]
    asked = [request(prompt=prompt, record="head", num_steps=3, seed=i) for i, prompt in enumerate(prompts)]
    engines = [Engine(stock.pipe.model) for _ in asked]
    barrier, together = threading.Barrier(len(asked)), {}

    def draw(i: int) -> None:
        barrier.wait()
        together[i] = [step.result for step in engines[i].run([asked[i]])][-1]

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(len(asked))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, one in enumerate(asked):
        alone = stock.pipe(one)
        assert together[i].image.tobytes() == alone.image.tobytes()
        assert together[i].maps.sites() == alone.maps.sites()
        for site in alone.maps.sites():
            assert torch.equal(together[i].maps.site(site), alone.maps.site(site))
            assert torch.equal(together[i].maps.values.site(site), alone.maps.values.site(site))
        assert len(together[i].maps.recording.steps) == 3


def test_a_negative_prompt_is_recorded_in_the_steps_that_use_it(stock: Stock) -> None:
    maps = stock.pipe(request(num_steps=4, guidance_start=0.5)).maps
    assert (len(maps.recording.steps), len(maps.negative.recording.steps)) == (4, 2)
    assert maps.negative.word("car").shape == maps.size
    with pytest.raises(NoSuchMap, match="the negative prompt had a part in 2 of 4 predictions"):
        _ = maps.step(3).negative


def test_points_are_those_of_the_finished_picture(stock: Stock) -> None:
    maps = stock.pipe(request(hires_scale=2.0, width=16, height=16, record_points=((31, 0),))).maps
    assert maps.size == (32, 32)
    assert maps.point(31, 0).shape == (32, 32)
    assert len(maps.recording.views["points"].steps) == 2
