"""Every attention layer uses the runtime that it is given, and a recorder sees the cross-attention."""

import threading
from dataclasses import replace

import pytest
import torch

from limelight.attention import AttentionRuntime, AttentionSpec, get, plan
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.transformer import Attention


class Calls:
    """A backend and a recorder that note their arguments."""

    name = "calls"

    def __init__(self) -> None:
        self.specs: dict[str, AttentionSpec] = {}
        self.maps: dict[str, torch.Tensor] = {}
        self.grids: dict[str, tuple[int, int]] = {}
        self.of_self: list[str] = []

    def runtime(self, unet: UNet) -> AttentionRuntime:
        backend = get("math")
        return AttentionRuntime({site.name: backend for site in unet.sites}, self)

    def record(self, site, q, k, v, *, scale, grid, out_weight) -> None:
        assert site not in self.maps
        assert v.shape == k.shape
        assert out_weight.shape[1] == q.shape[1] * q.shape[3]
        self.maps[site] = (q @ k.mT * scale).softmax(dim=-1).mean(dim=1)
        self.grids[site] = grid

    def record_self(self, site, q, k, *, scale, grid) -> None:
        assert q.shape == k.shape
        self.of_self.append(site)


def test_a_sites_name_is_its_modules_name(variant, saved):
    unet = UNet.from_pretrained(saved(variant))
    modules = {name: module for name, module in unet.named_modules() if isinstance(module, Attention)}
    assert {site.name for site in unet.sites} == set(modules)
    assert len({site.name for site in unet.sites}) == len(unet.sites)
    for site in unet.sites:
        module = modules[site.name]
        assert module.site == site.name
        assert site.kind == ("cross" if module.is_cross else "self")
        assert (site.num_heads, site.head_dim) == (
            module.num_heads,
            module.to_q.out_features // module.num_heads,
        )
        assert module.scale == site.head_dim**-0.5


@pytest.mark.parametrize("size", [(16, 16), (33, 17), (1, 5)])
@pytest.mark.parametrize(
    "variant", ["sd1-four-levels", "sdxl", "tiny-sd", "only-cross-attention"], indirect=True
)
def test_specs_equal_the_actual_calls(variant, saved, inputs, size):
    unet = UNet.from_pretrained(saved(variant))
    arguments, _ = inputs(unet.config, height=size[0], width=size[1])
    seen: dict[str, AttentionSpec] = {}

    def watched(site):
        def run(q, k, v, **options):
            seen[site] = AttentionSpec.of(q, k, v)
            return get("math").run(q, k, v, **options)

        return replace(get("math"), run=run)

    calls = Calls()
    with torch.inference_mode():
        unet(**arguments, attention=AttentionRuntime({s.name: watched(s.name) for s in unet.sites}, calls))
    assert list(seen) == [site.name for site in unet.sites]  # in the order of running, too
    assert seen == unet.attention_specs(*size, num_tokens=7, batch=2)
    cross = {site.name: site for site in unet.sites if site.kind == "cross"}
    assert calls.grids == {name: site.grid(*size) for name, site in cross.items()}


def test_full_size_specs():
    from limelight.unet.weights.load import parameters_on_meta

    with parameters_on_meta():
        unet = UNet(read_config({"cross_attention_dim": 768}))
    specs = unet.attention_specs(64, 96, 77, batch=2, device="cuda")
    first = "down_blocks.0.attentions.0.transformer_blocks.0"
    expected = {"device": "cuda", "dtype": torch.float32, "head_dim": 40, "num_heads": 8, "batch": 2}
    assert specs[f"{first}.attn1"] == AttentionSpec(num_queries=6144, num_keys=6144, **expected)
    assert specs[f"{first}.attn2"] == AttentionSpec(num_queries=6144, num_keys=77, **expected)
    assert specs["mid_block.attentions.0.transformer_blocks.0.attn1"].num_queries == 8 * 12
    assert len(specs) == 32


def test_a_plan_covers_every_site(saved, inputs):
    unet = UNet.from_pretrained(saved("sdxl"))
    specs = unet.attention_specs(16, 16, 7, batch=2)
    chosen = plan(specs, {site.name: site.kind for site in unet.sites}, None)
    runtime = AttentionRuntime({name: choice.backend for name, choice in chosen.items()})
    arguments, _ = inputs(unet.config)
    with torch.inference_mode():
        torch.testing.assert_close(unet(**arguments, attention=runtime), unet(**arguments))


def test_recording_does_not_change_the_prediction(saved, inputs):
    unet = UNet.from_pretrained(saved("sdxl"))
    arguments, _ = inputs(unet.config)
    calls = Calls()
    runtime = calls.runtime(unet)
    with torch.inference_mode():
        assert torch.equal(
            unet(**arguments, attention=AttentionRuntime(runtime.plan)), unet(**arguments, attention=runtime)
        )
    assert calls.maps.keys() == {site.name for site in unet.sites if site.kind == "cross"}
    assert calls.of_self == [site.name for site in unet.sites if site.kind == "self"]
    for map_ in calls.maps.values():
        torch.testing.assert_close(map_.sum(-1), torch.ones(map_.shape[:2]))


def test_threads_record_separately(saved, inputs):
    unet = UNet.from_pretrained(saved("sd1"))
    arguments, _ = inputs(unet.config, batch=1)
    contexts = [torch.randn(1, 7, unet.config.context_dim) for _ in range(4)]

    def run(context: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        calls = Calls()
        with torch.inference_mode():
            return unet(**arguments | {"context": context}, attention=calls.runtime(unet)), calls.maps

    alone = [run(context) for context in contexts]
    together: list = [None] * len(contexts)
    barrier = threading.Barrier(len(contexts))

    def work(i: int) -> None:
        barrier.wait()
        for _ in range(5):
            together[i] = run(contexts[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(contexts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for (prediction, maps), (expected, expected_maps) in zip(together, alone, strict=True):
        assert torch.equal(prediction, expected)
        assert maps.keys() == expected_maps.keys()
        assert all(torch.equal(maps[site], expected_maps[site]) for site in maps)
    assert not torch.equal(alone[0][0], alone[1][0])


def test_gradients_flow_through_a_recorded_run(saved, inputs):
    unet = UNet.from_pretrained(saved("sd1")).train()
    arguments, _ = inputs(unet.config)
    context = arguments["context"].requires_grad_()
    calls = Calls()
    unet(**arguments, attention=calls.runtime(unet)).square().mean().backward()
    assert context.grad is not None and context.grad.abs().max() > 0
    assert all(p.grad is not None for p in unet.parameters())


@pytest.mark.compile
@pytest.mark.parametrize("with_runtime", [False, True])
def test_compiles_to_one_graph(saved, inputs, request, with_runtime):
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    from torch._dynamo.testing import CompileCounter

    unet = UNet.from_pretrained(saved("small-sd"))
    arguments, _ = inputs(unet.config)
    chosen = plan(
        unet.attention_specs(16, 16, 7, batch=2), {site.name: site.kind for site in unet.sites}, None
    )
    planned = AttentionRuntime({name: choice.backend for name, choice in chosen.items()})
    runtime = planned if with_runtime else None
    steps = [arguments | {"timesteps": arguments["timesteps"] - i} for i in range(3)]
    counter = CompileCounter()
    compiled = torch.compile(unet, backend=counter, fullgraph=True)
    with torch.inference_mode():
        for step in steps:
            torch.testing.assert_close(compiled(**step, attention=runtime), unet(**step, attention=runtime))
    assert counter.frame_count == 1
