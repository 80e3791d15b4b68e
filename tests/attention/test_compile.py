"""A planned layer compiles to one graph, in all steps."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

from limelight.attention import AttentionRuntime, RowGroup, get
from limelight.attention.caches.contexts import PagedContexts
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Grid, Level, Recording

pytestmark = pytest.mark.compile

GRID: Grid = (3, 4)


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(16, 48)

    def forward(self, x: Tensor, attention: AttentionRuntime) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)  # b n (3 h d) -> 3 b h n d
        context, weight = (RowGroup(lambda site: (k, v)),), self.to_qkv.weight[:16]
        out = attention.attend_cross("site", q, context, scale=8**-0.5, grid=GRID, out_weight=weight)
        return out.transpose(1, 2).flatten(2)


@pytest.mark.parametrize("name", ["sdpa", "sdpa-flash", "onednn", "math", "tiled"])
@torch.no_grad()
def test_a_layer_compiles_to_one_graph(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    torch.manual_seed(0)
    layer, x = Layer(), torch.randn(2, 12, 16)
    attention = AttentionRuntime({"site": get(name)})
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, attention), layer(x, attention))


@pytest.mark.parametrize("level", ["grid", "site", "head"])
@torch.no_grad()
def test_recording_compiles_once_for_all_steps(level: Level, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    torch.manual_seed(0)
    torch._dynamo.reset()
    layer, counter = Layer(), CompileCounter()
    compiled = torch.compile(layer, fullgraph=True, backend=counter)
    of_compiled, of_layer = Recording(level, 12), Recording(level, 12)
    for _ in range(4):
        x = torch.randn(2, 12, 16)
        for run, recording in ((compiled, of_compiled), (layer, of_layer)):
            recorder = RowRecorder([None, recording])
            run(x, AttentionRuntime({"site": get("sdpa")}, recorder))
            recorder.commit()
    assert counter.frame_count == 1
    for step, expected in zip(of_compiled.steps, of_layer.steps, strict=True):
        torch.testing.assert_close(step[GRID], expected[GRID])
    assert set(of_compiled.sums) == ({"site"} if level != "grid" else set())
    for site, maps in of_layer.sums.items():
        torch.testing.assert_close(of_compiled.sums[site], maps)


@torch.inference_mode()
def test_prompts_in_pages_cause_no_recompilation(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    torch._dynamo.reset()
    pages, counter = PagedContexts(max_bytes=2**24), CompileCounter()

    def attend(q: Tensor, attention: AttentionRuntime) -> Tensor:
        assert attention.context is not None
        weight = torch.zeros(1, 16)
        return attention.attend_cross("site", q, attention.context, scale=0.3, grid=(2, 3), out_weight=weight)

    def chunk(number: int) -> dict[str, tuple[Tensor, Tensor]]:
        return {"site": (torch.full((1, 2, 5, 8), float(number)), torch.full((1, 2, 5, 8), float(number)))}

    compiled = torch.compile(attend, fullgraph=True, backend=counter)
    for first, second in ((1, 2), (3, 4), (2, 2), (4, 1)):
        q = torch.randn(2, 2, 6, 8)
        with pages.rows([[(n, partial(chunk, n))] for n in (first, second)]) as context:
            attention = AttentionRuntime({"site": get("sdpa")}, context=context)
            torch.testing.assert_close(compiled(q, attention), attend(q, attention))
    assert counter.frame_count == 1


def test_onednn_registers_its_operator_at_the_first_call(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    code = """
import torch
from limelight.attention import attend
assert not torch._C._jit_get_schemas_for_operator("limelight::attend_by_onednn")
with torch.no_grad():
    q = torch.randn(1, 2, 6, 8)
    run = torch.compile(lambda q: attend(q, q, q, backend="onednn"), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(run(q), attend(q, q, q, backend="math"))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
