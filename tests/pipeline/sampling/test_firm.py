"""The firm hand: its gradient against one written with diffusers' U-Net; batches, memory and record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from limelight.attention import AttentionRuntime, RowGroup, get
from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.steering import Painted
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.firm import FirmHand, Led, gradients, probed_sites
from limelight.pipeline.sampling.steering import start_steering
from tests.pipeline.stock import largest_difference

LEFT, CORNER = (0.0, 0.0, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0)
HAND = FirmHand(
    (
        Led(Painted("x", box=LEFT, hand="firm"), (1, 2)),
        Led(Painted("y", box=CORNER, hand="both", strength=0.1), (4,)),
    )
)
SIZE = (16, 24)  # of the latent


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": "an apple and a dog", "seed": 3, "num_steps": 4, "width": 32, "height": 24}
    return GenerationRequest(**(given | fields))


FIRM = ("apple@0,0,0.5,1;hand=firm", "dog@0.5,0.5,1,1;hand=both;until=0.25")


class Kept:
    """A processor of diffusers' that writes cross-attention's probabilities out, and keeps them."""

    def __init__(self, maps: dict[int, list[Tensor]]) -> None:
        self.maps = maps

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, **unused: Any
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (
            y.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for y in (attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context))
        )
        p = (q @ k.mT * attn.scale).softmax(-1)
        if encoder_hidden_states is not None:
            self.maps.setdefault(q.shape[2], []).append(p.mean(1))
        return attn.to_out[0]((p @ v).transpose(1, 2).flatten(2))


def arguments(model: Any, seed: int = 0) -> tuple[Tensor, Tensor, dict[str, Tensor | None]]:
    random = torch.Generator().manual_seed(seed)
    config = model.unet.config
    x = torch.randn(2, config.in_channels, *SIZE, generator=random)
    context = torch.randn(2, 77, config.context_dim, generator=random)
    given: dict[str, Tensor | None] = {"timesteps": torch.tensor([700.0, 100.0])}
    given |= {"pooled": None, "size_ids": None, "time_cond": None}
    if config.added is not None:
        pooled = config.added.input_dim - 6 * config.added.size_embed_dim
        given |= {"pooled": torch.randn(2, pooled, generator=random), "size_ids": torch.ones(2, 6)}
    return x, context, given


def of_contexts(model: Any, context: Tensor) -> AttentionRuntime:
    with torch.inference_mode():  # as an engine computes them
        made = model.unet.keys_values(context)
    plan = {site.name: get("math") for site in model.unet.sites}
    return AttentionRuntime(plan, context=(RowGroup(lambda site: made[site]),))


@pytest.mark.parametrize("family", ["sd", "sdxl"])
def test_the_gradient_is_that_of_written_out_maps(family: str, sd_folder: Path, sdxl_folder: Path) -> None:
    """Two rows with their own words, in one call; on the U-Net that is fast on a CPU."""
    folder = {"sd": sd_folder, "sdxl": sdxl_folder}[family]
    model = TextToImagePipeline.from_pretrained(folder, device="cpu").model
    x, context, given = arguments(model)
    hands = [HAND, FirmHand(HAND.words[:1])]
    with torch.inference_mode():
        ours = gradients(model, x, given, hands, of_contexts(model, context))
    theirs = UNet2DConditionModel.from_pretrained(folder / "unet")
    maps: dict[int, list[Tensor]] = {}
    theirs.set_attn_processor(Kept(maps))
    leaf = x.clone().requires_grad_()
    added = {"text_embeds": given["pooled"], "time_ids": given["size_ids"]}
    theirs(leaf, given["timesteps"], context, added_cond_kwargs=added)
    height, width = SIZE
    mean = torch.stack(maps[height * width]).mean(0).mT.unflatten(-1, SIZE)  # b m h w
    left, corner = torch.zeros(SIZE), torch.zeros(SIZE)
    left[:, : width // 2], corner[height // 2 :, width // 2 :] = 1, 1
    loss = torch.zeros(())
    for row in (0, 1):
        x_word = mean[row, 1] + mean[row, 2]
        loss = loss + (1 - (x_word * left).sum() / x_word.sum()) ** 2
    y_word = mean[0, 4]
    loss = loss + ((y_word * corner).sum() / y_word.sum()) ** 2  # a strength below 1 keeps it out
    (expected,) = torch.autograd.grad(loss, leaf)
    found = torch.cat([each for each in ours if isinstance(each, Tensor)])
    assert expected.abs().max() > 0
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_a_call_ends_after_the_last_site_that_is_needed(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limelight.pipeline.sampling.firm.SIDE", 4)
    x, context, given = arguments(sd.model)
    sites = probed_sites(sd.model.unet, *SIZE)
    ran: list[str] = []
    for name, module in sd.model.unet.named_modules():
        if name.endswith(("attn1", "attn2")):
            monkeypatch.setattr(module, "forward", _noted(module, name, ran))
    gradients(sd.model, x, given, [HAND, HAND], of_contexts(sd.model, context))
    names = [site.name for site in sd.model.unet.sites]
    assert ran == names[: names.index(sites[-1]) + 1]
    assert len(ran) < len(names)


def _noted(module: nn.Module, name: str, ran: list[str]) -> Callable[..., Any]:
    forward = module.forward

    def noted(*args: Any, **options: Any) -> Any:
        ran.append(name)
        return forward(*args, **options)

    return noted


def test_maps_are_read_where_layout_is_decided(sd: TextToImagePipeline) -> None:
    unet = sd.model.unet
    sides = {
        size: {min(site.grid(*size)) for site in unet.sites if site.name in probed_sites(unet, *size)}
        for size in ((16, 24), (32, 32), (8, 8))
    }
    assert sides == {(16, 24): {16}, (32, 32): {16}, (8, 8): {8}}


class Largest(TorchDispatchMode):
    """Notes the size of the largest tensor that an operation makes, forward or backward."""

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        made = [x for x in (out if isinstance(out, tuple) else (out,)) if isinstance(x, Tensor)]
        self.numel = max([self.numel, *(x.numel() for x in made)])
        return out


def test_self_attention_and_its_backward_write_no_probabilities_out(sd: TextToImagePipeline) -> None:
    """64x64 positions see 64x64: 16.8 million numbers a head."""
    side, config = 64, sd.model.unet.config
    random = torch.Generator().manual_seed(0)
    x = torch.randn(1, config.in_channels, side, side, generator=random)
    context = torch.randn(1, 77, config.context_dim, generator=random)
    given = {"timesteps": torch.tensor([700.0])}
    with Largest() as largest:
        gradients(sd.model, x, given, [HAND], of_contexts(sd.model, context))
    assert largest.numel < side**4 / 4


@pytest.mark.parametrize("scheduler", ["model", "euler", "heun", "dpm++2m"])
def test_a_picture_is_the_same_in_any_company_and_from_its_record(
    sd: TextToImagePipeline, scheduler: str, tmp_path: Path
) -> None:
    asked = request(paint=FIRM, scheduler=scheduler)
    others = [request(seed=9), request(paint=FIRM[1:], seed=5, guidance_scale=1.0), request(num_steps=7)]
    together = sd([others[0], asked, *others[1:]])
    for result, other in zip(together, [others[0], asked, *others[1:]], strict=True):
        assert largest_difference(result.image, sd(other).image) <= 1
    assert largest_difference(together[1].image, sd(request(scheduler=scheduler)).image) > 1
    record = request_of(read_record(together[1].save(tmp_path / "a.png")))
    assert largest_difference(sd(record).image, together[1].image) <= 1


def test_gradients_come_before_the_first_half_of_the_steps_and_are_no_steps(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[int, float]] = []
    forward = sd.model.unet.forward

    def noted(x: Tensor, timesteps: Tensor, *args: Any, **options: Any) -> Tensor:
        calls.append((len(x), timesteps[0].item()))
        return forward(x, timesteps, *args, **options)

    monkeypatch.setattr(sd.model.unet, "forward", noted)
    steps = list(sd.stream([request(paint=FIRM[:1], num_steps=4, hires_scale=1.5)]))
    assert [step.index for step in steps] == list(range(1, 7)) and steps[-1].count == 6
    rows = [rows for rows, _ in calls]
    assert rows == [1, 1, 1, 2] * 2 + [2, 2] + [2, 2]  # the second pass has its layout
    assert len({time for _, time in calls[:4]}) == 1


def test_a_thing_goes_where_the_firm_hand_leads_it() -> None:
    """The default model draws this seed's apple on the right."""
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    fields = {"width": None, "height": None, "num_steps": 8, "seed": 6, "record": "grid"}
    shares = []
    for paint in ((), ("apple@0,0,0.5,0.5;hand=firm", "banana@0.5,0.5,1,1;hand=firm")):
        maps = pipe(request(prompt="an apple and a banana", paint=paint, **fields)).maps
        assert maps is not None
        apple = maps.word("apple")
        shares.append(float(apple[: len(apple) // 2, : apple.shape[1] // 2].sum() / apple.sum()))
    assert shares[0] < 0.2 and shares[1] > 0.35, shares


@pytest.mark.parametrize("hand", ["strong", "", 3])
def test_an_unknown_hand_is_refused(hand: Any) -> None:
    with pytest.raises(
        RequestError, match=r"the hand of the painted word 'apple' is .*; must be loose, firm"
    ):
        Painted("apple", box=LEFT, hand=hand)


def test_a_firm_hand_alone_needs_no_backend_that_takes_paint(sd: TextToImagePipeline) -> None:
    resolved = sd.engine.resolve(request(paint=FIRM[:1]))
    steering = start_steering(resolved, sd.model, sd.model.text.prompt(resolved.prompt))
    assert steering.rows(["negative", "prompt"], 0.0) == [None, None]
