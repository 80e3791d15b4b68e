"""The network of the describer: convolutions read a picture, a causal decoder writes words about it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from limelight.attention.caches.decoding import DecodingCache, LayerCache
from limelight.attention.context import KeysValues
from limelight.attention.multihead import MultiHeadAttention
from limelight.attention.recording.effective import probabilities
from limelight.attention.registry import attend

PIXELS = 64  # least side of the pictures that it reads
GRID = 16  # side of the positions that words look at


@dataclass(frozen=True, kw_only=True)
class ReaderConfig:
    """Sizes. `side`: of the pictures that it reads, 64 or 128 pixels. `widths`: channels at 32, 16, 8 and 4
    positions a side; larger pictures are halved first.

    Raises:
        ValueError: the side is another one.
    """

    num_words: int
    side: int = PIXELS
    widths: tuple[int, int, int, int] = (32, 64, 128, 144)
    dim: int = 128
    layers: int = 3
    heads: int = 4
    kv_heads: int = 2
    length: int = 48

    def __post_init__(self) -> None:
        if self.side not in (PIXELS, 2 * PIXELS):
            raise ValueError(f"the side of the pictures is {self.side}; must be {PIXELS} or {2 * PIXELS}")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture as the decoder reads it.

    Attributes:
        keys_values: of the picture's positions, for each layer; they are computed once for a picture.
        known: logit that the picture is of the world that the describer was trained on.
    """

    keys_values: Sequence[KeysValues]
    known: Float[Tensor, " b"]


class Reader(nn.Module):
    """An encoder of pictures and a decoder of words.

    Heads share keys and values in groups (Ainslie et al. 2023, arXiv:2305.13245). The map of a word is the
    mean over heads of the last layer's cross-attention.

    Args:
        backend: of every attention, as `attend` takes it.
    """

    def __init__(self, config: ReaderConfig, *, backend: str | None = None) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config, backend)
        self.words = nn.Embedding(config.num_words, config.dim)
        self.places = nn.Parameter(torch.randn(config.length, config.dim) * 0.02)
        layers = [DecoderLayer(config, backend) for _ in range(config.layers)]
        self.layers: Sequence[DecoderLayer] = nn.ModuleList(layers)  # type: ignore[assignment]
        self.norm = nn.LayerNorm(config.dim)
        nn.init.normal_(self.words.weight, std=config.dim**-0.5)

    def look(self, images: Float[Tensor, "b 3 h w"]) -> Seen:
        """Reads pictures of `config.side` x `config.side` in the range -1 to 1."""
        positions, known = self.encoder(images)
        return Seen([layer.keys_values(positions) for layer in self.layers], known)

    def forward(
        self, ids: Int[Tensor, "b n"], seen: Seen, *, cache: DecodingCache | None = None
    ) -> tuple[Float[Tensor, "b n words"], Float[Tensor, "b n positions"]]:
        """The logits of the next word at every place, and the map of every word.

        Args:
            ids: of s texts for each picture; the texts of one picture are rows next to each other.
            cache: keys and values of the words before; it receives those of `ids`.
        """
        start = cache.length() if cache is not None else 0
        x = self.words(ids) + self.places[start : start + ids.shape[1]]
        maps = x
        for number, layer in enumerate(self.layers):
            own = LayerCache(cache, number) if cache is not None else None
            last = number == len(self.layers) - 1
            x, maps = layer(x, seen.keys_values[number], own, maps=last)
        return F.linear(self.norm(x), self.words.weight), maps


class Encoder(nn.Module):
    """A pyramid of convolutions (Lin et al. 2017, arXiv:1612.03144) with attention between its coarse
    positions."""

    def __init__(self, config: ReaderConfig, backend: str | None) -> None:
        super().__init__()
        self.backend = backend
        first, fine, half, coarse = config.widths
        before = 3 if config.side == PIXELS else first // 2
        self.front = nn.Sequential() if config.side == PIXELS else convolution(3, before, 2)
        self.stem = nn.Sequential(convolution(before, first, 2), convolution(first, fine, 2), Residual(fine))
        self.middle = nn.Sequential(convolution(fine, half, 2), Residual(half))
        self.coarse = nn.Sequential(convolution(half, coarse, 2), Residual(coarse))
        self.merge = convolution(half + coarse, config.dim)
        self.norm = nn.LayerNorm(config.dim)
        self.attention = MultiHeadAttention(config.dim, num_heads=config.heads, num_kv_heads=config.kv_heads)
        self.merge_fine = convolution(fine + config.dim, config.dim)
        self.places = nn.Parameter(torch.randn(GRID * GRID, config.dim) * 0.02)
        self.out = nn.LayerNorm(config.dim)
        self.known = nn.Sequential(nn.Linear(fine + coarse, 64), nn.SiLU(), nn.Linear(64, 1))

    def forward(
        self, images: Float[Tensor, "b 3 h w"]
    ) -> tuple[Float[Tensor, "b positions c"], Float[Tensor, " b"]]:
        fine = self.stem(self.front(images))
        half = self.middle(fine)
        coarse = self.coarse(half)
        known = self.known(torch.cat([fine.mean((2, 3)), coarse.mean((2, 3))], 1))[:, 0]
        x = self.merge(torch.cat([F.interpolate(coarse, scale_factor=2), half], 1))
        flat = x.flatten(2).mT
        x = (flat + self.attention(self.norm(flat), backend=self.backend)).mT.unflatten(2, x.shape[2:])
        x = self.merge_fine(torch.cat([F.interpolate(x, scale_factor=2), fine], 1))
        return self.out(x.flatten(2).mT + self.places), known


class DecoderLayer(nn.Module):
    """Causal self-attention over the words, cross-attention to the picture, a feed-forward network."""

    def __init__(self, config: ReaderConfig, backend: str | None) -> None:
        super().__init__()
        self.backend = backend
        dim = config.dim
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim) for _ in range(3))
        self.own = MultiHeadAttention(dim, num_heads=config.heads, num_kv_heads=config.kv_heads)
        self.cross = MultiHeadAttention(dim, num_heads=config.heads, num_kv_heads=config.kv_heads)
        self.feed = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def keys_values(self, positions: Float[Tensor, "b positions c"]) -> KeysValues:
        """Of a picture, for the cross-attention."""
        return self.cross.keys_values(positions)

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        picture: KeysValues,
        cache: LayerCache | None,
        *,
        maps: bool,
    ) -> tuple[Float[Tensor, "b n c"], Tensor]:
        """The words, and with `maps` the mean over heads of the cross-attention to each position."""
        x = x + self.own(self.norm1(x), causal=True, cache=cache, backend=self.backend)
        k, v = picture
        texts = len(x) // len(k)
        # All texts about one picture are queries of one call: its keys and values are not repeated.
        together = self.norm2(x).unflatten(0, (-1, texts)).flatten(1, 2)
        q = self.cross.queries(together)
        looked = self.cross.project_out(attend(q, k, v, scale=self.cross.scale, backend=self.backend))
        x = x + looked.unflatten(1, (texts, -1)).flatten(0, 1)
        found = x
        if maps:
            of_heads = probabilities(q.flatten(0, 1), k.flatten(0, 1), scale=self.cross.scale)
            mean = of_heads.unflatten(0, q.shape[:2]).mean(1)
            found = mean.unflatten(1, (texts, -1)).flatten(0, 1)
        return x + self.feed(self.norm3(x)), found


class Residual(nn.Module):
    """x plus two convolutions of x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(convolution(channels, channels), convolution(channels, channels))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.inner(x)


def convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution, batch normalisation and SiLU."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.SiLU())
