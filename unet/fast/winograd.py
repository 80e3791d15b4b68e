"""3x3 convolutions with fewer products: Winograd's minimal filtering, in channels-last order.

A tile of m x m outputs takes (m + 2)^2 products per pair of channels instead of 9 m^2: 2.25 times fewer for
m = 2, 4 times fewer for m = 4. In float32 m = 2 is as exact as the direct sum; m = 4 has an error of 1e-5 of
the maximum.

Source: Lavin & Gray 2015, arXiv:1509.09308, sections 4.1 to 4.3. The letters are theirs: g filter, d input
    tile,
U = G g GT, V = BT d B, output AT (U * V) A.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.unet.fast.graph import as_one
from limelight.unet.fast.linear import linear
from limelight.unet.fast.packings import Packings

_G = {
    2: [[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]],
    4: [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
}
_Run = Callable[[Tensor, Tensor], None]
_Product = Callable[[Tensor, Tensor, Tensor | None], Tensor]
_MIN_TILES = 64  # in one product; with fewer it is slower
_MAX_SCRATCH = 2**23  # bytes of V at a time, so that it is still in the cache when it is multiplied
_MAX_FILTERS = 3 * 2**21  # bytes of U at a time if U is made in each call, for the same reason
_MAX_UNCACHED = (
    3 * 2**23
)  # bytes of V at a time then: every part makes its filters, and one part takes memory


def _both(m: int, dtype: torch.dtype) -> Tensor:
    """The Kronecker product of G with itself, (x y) (u v), which maps a flat g to a flat U."""
    g = torch.tensor(_G[m], dtype=dtype)
    return torch.kron(g, g)


_BOTH = {m: _both(m, torch.float32) for m in _G}


class Filters:
    """U of every pair of channels, packed for oneDNN. Its size is 16 / 9 (m = 2) or 4 times (m = 4) the
    filters'.

    Args:
        m: outputs of a tile along one side.
    """

    def __init__(self, weight: Float[Tensor, "o i 3 3"], bias: Float[Tensor, " o"] | None, m: int) -> None:
        self.m = m
        self.out_channels, self.in_channels = weight.shape[:2]
        self.bias = bias
        if bias is not None:  # added to the product that reaches every output of a tile with a factor of 1
            self.bias = bias.new_zeros((m + 2) ** 2, len(bias))
            self.bias[m + 3] = bias
            self.bias = self.bias.flatten()
        self._packings = Packings(lambda size: _pack(weight.detach(), m, *size))

    def for_tiles(self, tiles: int) -> Tensor:
        return self._packings.of(tiles)


def _pack(weight: Tensor, m: int, tiles: int) -> Tensor:
    o, i = weight.shape[:2]
    a = m + 2
    both = _both(m, torch.float64)
    u = torch.empty(a * a, o, i)
    step = max(1, 2**18 // i)
    for start in range(0, o, step):  # in parts: all of it in float64 would be eight times the filters
        part = weight[start : start + step].permute(2, 3, 0, 1).double()
        u[:, start : start + step] = (both @ part.flatten(2).flatten(0, 1).flatten(1)).view(a * a, -1, i)
    return torch.ops.mkldnn._reorder_convolution_weight(
        u.view(a * a * o, i, 1, 1), [0, 0], [1, 1], [1, 1], a * a, [1, a * a * i, tiles, 1]
    )


def convolve(x: Float[Tensor, "b i h w"], filters: Filters) -> Float[Tensor, "b o h w"]:
    """The convolution, padded by 1 with zeros; channels last in and out."""
    run = partial(_convolve_rows, filters=filters)
    return _in_parts(x, filters.m, filters.out_channels, _MAX_SCRATCH, run)


def _in_parts(
    x: Float[Tensor, "b i h w"], m: int, out_channels: int, scratch: int, run: _Run
) -> Float[Tensor, "b o h w"]:
    """Calls `run` for parts of the rows of tiles, such that V takes at most `scratch` bytes in each.

    A part has at least `_MIN_TILES` tiles; x is padded for them. All parts have one size, because filters are
    packed for a number of tiles, so the last may compute some rows of the previous part again.
    """
    b, _, h, w = x.shape
    rows, columns = -(-h // m), -(-w // m)
    most = max(_MIN_TILES, scratch // ((m + 2) ** 2 * x.shape[1] * x.itemsize)) // columns  # rows of tiles
    x = F.pad(x, (1, columns * m - w + 1, 1, rows * m - h + 1)).permute(0, 2, 3, 1)  # b h w i
    out = x.new_empty(b, rows * m, columns * m, out_channels)
    for images in _parts(b, most // rows):
        for part in _parts(rows, most):
            outputs = slice(part.start * m, part.stop * m)
            run(x[images, outputs.start : outputs.stop + 2], out[images, outputs])
    return out[:, :h, :w].permute(0, 3, 1, 2)


def _parts(whole: int, most: int) -> Iterator[slice]:
    """Slices of one size, at most `most` and at least 1; the last may overlap the previous one."""
    size = -(-whole // -(-whole // max(1, most)))
    for start in range(0, whole, size):
        start = min(start, whole - size)
        yield slice(start, start + size)


def _convolve_rows(x: Tensor, out: Tensor, filters: Filters) -> None:
    """Whole rows of tiles: x b (rows m + 2) (columns m + 2) i -> out b (rows m) (columns m) o."""
    m, (b, height, width, o) = filters.m, out.shape
    a, rows, columns = m + 2, height // m, width // m
    transform, inverse = (_input_2, _output_2) if m == 2 else (_input_4, _output_4)
    i = filters.in_channels
    half = x.new_empty(b, rows * m + 2, columns, a, i)
    transform([x[:, :, k : k + m * (columns - 1) + 1 : m] for k in range(a)], half.unbind(3))
    v = x.new_empty(b, rows, columns, a, a, i)
    transform([half[:, k : k + m * (rows - 1) + 1 : m] for k in range(a)], v.unbind(3))
    tiles = b * rows * columns
    products = torch.ops.mkldnn._convolution_pointwise(
        v.view(1, tiles, 1, a * a * i).permute(0, 3, 1, 2),
        filters.for_tiles(tiles),
        filters.bias,
        [0, 0],
        [1, 1],
        [1, 1],
        a * a,
        "none",
        [],
        "",
    )
    products = products.permute(0, 2, 3, 1).view(b, rows, columns, a, a, o)
    tall = x.new_empty(b, rows, m, columns, a, o)
    inverse(products.unbind(3), tall.unbind(2))
    inverse(tall.unbind(4), out.view(b, rows, m, columns, m, o).unbind(4))


def convolve_uncached(
    x: Float[Tensor, "b i h w"],
    weight: Float[Tensor, "o i 3 3"],
    bias: Float[Tensor, " o"] | None,
    m: int,
    by_onednn: bool = False,
) -> Float[Tensor, "b o h w"]:
    """As `convolve`, with filters that are made for this call, one part at a time, and not kept.

    It pays for layers with many channels, where making U takes less time than it saves.

    Args:
        by_onednn: whether oneDNN multiplies; otherwise torch's default does.
    """
    return as_one(_convolve_uncached, x, weight, bias, m, by_onednn)  # it is thousands of operations


def _convolve_uncached(x: Tensor, weight: Tensor, bias: Tensor | None, m: int, by_onednn: bool) -> Tensor:
    product = linear if by_onednn else F.linear
    run = partial(_convolve_rows_uncached, weight=weight, bias=bias, m=m, product=product)
    return _in_parts(x, m, len(weight), _MAX_UNCACHED, run)


def _convolve_rows_uncached(
    x: Tensor, out: Tensor, weight: Tensor, bias: Tensor | None, m: int, product: _Product
) -> None:
    """As `_convolve_rows`."""
    (b, height, width, o), i, a = out.shape, x.shape[3], m + 2
    rows, columns = height // m, width // m
    transform, inverse = (_input_2, _output_2) if m == 2 else (_input_4, _output_4)
    half = x.new_empty(b, rows * m + 2, columns, a, i)
    transform([x[:, :, k : k + m * (columns - 1) + 1 : m] for k in range(a)], half.unbind(3))
    v = x.new_empty(a, a, b, rows, columns, i)
    half = half.permute(3, 0, 1, 2, 4)
    transform([half[:, :, k : k + m * (rows - 1) + 1 : m] for k in range(a)], v.unbind(0))
    del half

    v = v.view(a * a, b * rows * columns, i)
    weight = weight.permute(0, 2, 3, 1).flatten(1, 2)  # o (u v) i, a view, since weights are channels last
    products = x.new_empty(a * a, b * rows * columns, o)
    step = max(16, _MAX_FILTERS // (a * a * i * weight.itemsize) // 16 * 16)
    for start in range(0, o, step):
        u = torch.matmul(_BOTH[m], weight[start : start + step])  # o (x y) i
        for each in range(a * a):
            products[each, :, start : start + step] = product(v[each], u[:, each].contiguous(), None)
    del v
    if bias is not None:
        products[a + 1] += bias

    tall = x.new_empty(m, a, b, rows, columns, o)
    inverse(products.view(a, a, b, rows, columns, o).unbind(0), tall.unbind(0))
    inverse(tall.unbind(1), out.view(b, rows, m, columns, m, o).permute(2, 4, 0, 1, 3, 5).unbind(1))


def _input_2(d: list[Tensor], out: tuple[Tensor, ...]) -> None:
    """BT of F(2, 3)."""
    torch.sub(d[0], d[2], out=out[0])
    torch.add(d[1], d[2], out=out[1])
    torch.sub(d[2], d[1], out=out[2])
    torch.sub(d[1], d[3], out=out[3])


def _output_2(m: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
    """AT of F(2, 3)."""
    torch.add(m[0], m[1], out=out[0]).add_(m[2])
    torch.sub(m[1], m[2], out=out[1]).sub_(m[3])


def _input_4(d: list[Tensor], out: tuple[Tensor, ...]) -> None:
    """BT of F(4, 3)."""
    torch.sub(d[4], d[2], alpha=5, out=out[0]).add_(d[0], alpha=4)
    torch.sub(d[5], d[3], alpha=5, out=out[5]).add_(d[1], alpha=4)
    even, odd = torch.sub(d[4], d[2], alpha=4), torch.sub(d[3], d[1], alpha=4)
    torch.add(even, odd, out=out[1])
    torch.sub(even, odd, out=out[2])
    torch.sub(d[4], d[2], out=even)
    torch.sub(d[3], d[1], out=odd)
    torch.add(even, odd, alpha=2, out=out[3])
    torch.sub(even, odd, alpha=2, out=out[4])


def _output_4(m: tuple[Tensor, ...], out: tuple[Tensor, ...]) -> None:
    """AT of F(4, 3)."""
    near, far = m[1] + m[2], m[3] + m[4]
    torch.add(m[0], near, out=out[0]).add_(far)
    torch.add(near, far, alpha=4, out=out[2])
    torch.sub(m[1], m[2], out=near)
    torch.sub(m[3], m[4], out=far)
    torch.add(near, far, alpha=2, out=out[1])
    torch.add(near, far, alpha=8, out=out[3]).add_(m[5])
