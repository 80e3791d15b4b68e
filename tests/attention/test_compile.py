"""A planned layer is one graph, and stays it."""

import pytest
import torch
from torch import Tensor, nn

from attention import AttentionRuntime, get

pytestmark = pytest.mark.compile


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.to_qkv = nn.Linear(16, 48)

    def forward(self, x: Tensor, attention: AttentionRuntime) -> Tensor:
        q, k, v = self.to_qkv(x).unflatten(-1, (3, 2, 8)).permute(2, 0, 3, 1, 4)  # b n (3 h d) -> 3 b h n d
        return attention.attend("site", q, k, v, scale=8**-0.5).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("name", ["sdpa", "sdpa-flash", "math", "tiled"])
@torch.no_grad()
def test_a_layer_compiles_to_one_graph(name: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--jaxtyping-packages", default=None):
        pytest.skip("shape checks do not compile; run without --jaxtyping-packages")
    torch.manual_seed(0)
    layer, x = Layer(), torch.randn(2, 12, 16)
    attention = AttentionRuntime({"site": get(name)})
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, attention), layer(x, attention))
