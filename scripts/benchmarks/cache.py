"""When keeping keys and values pays, and when pages do: `python -m scripts.benchmark cache`.

Ways of doing one thing take turns, several rounds; a ratio is the median over the rounds of a way's time over
that of the first way in the same round, of the processor. Weights are random. Sizes are those of SD1.5 and of
SDXL's base.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import lcm
from pathlib import Path

import torch
from torch import Tensor, nn

from limelight.attention import AttentionRuntime, ContextRows, RowGroup, attend, get
from limelight.attention.caches.contexts import PagedContexts
from limelight.attention.caches.decoding import DecodingCache, KVCache, PagedKVCache
from limelight.attention.caches.pool import BlockPool
from limelight.unet import UNet
from limelight.unet.config.read_diffusers import read_config
from limelight.unet.weights.load import parameters_on_meta
from scripts.benchmarks.tools.models import DEFAULT, SD1, SDXL
from scripts.benchmarks.tools.report import Section
from scripts.benchmarks.tools.turns import Ratio, Way, processor, take_turns

TITLE = "Caches and pages"
DEVICES = ("cpu",)
QUICK = {"only": "box", "side": 16}
CHUNK = 77
FAMILIES: dict[str, dict[str, object] | Path] = {  # what UNetConfig reads
    "the default model": DEFAULT,
    "SD1.5": SD1,
    "SDXL": SDXL,
}
# A site of each kind at 512 px (SD1.5) and 1024 px (SDXL): heads, head dim, positions.
CROSS = {"SD1.5": ((8, 40, 4096), (8, 80, 1024), (8, 160, 256)), "SDXL": ((10, 64, 4096), (20, 64, 1024))}
COUNTS = ((1, 1), (1, 2), (1, 3), (2, 3), (1, 1, 1, 1), (1, 1, 1, 2), (1, 1, 1, 3), (1, 2, 1, 3))


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--side", type=int, default=32, help="of the latent in U-Net calls")
    parser.add_argument("--only", default="", help="families whose name contains this")


@torch.inference_mode()
def measure(options: argparse.Namespace) -> list[Section]:
    return [prompts(options), lengths(options), blocks(options), decoding(options)]


def prompts(options: argparse.Namespace) -> Section:
    rows = []
    for name, config in FAMILIES.items():
        if options.only in name:
            unet = random_unet(config)
            uncached, kept = calls(unet, options.side)
            is_same = torch.equal(uncached(), kept())
            ratio = ratios({"uncached": uncached, "kept": kept}, options.rounds)["kept"]
            made = unet.keys_values(torch.randn(1, CHUNK, unet.config.context_dim))
            size = sum(k.nbytes + v.nbytes for k, v in made.values()) / 2**20
            rows.append([name, f"{ratio:.3f}", "yes" if is_same else "no", f"{size:.1f}"])
    return Section(
        "A U-Net call with the prompts' keys and values kept",
        f"A call of two rows at a latent of {options.side} x {options.side}, over one that projects them "
        "in the call. The saving does not grow with the picture. Weights of one shape are "
        "one tensor, so that SDXL fits in memory.",
        ("model", "cached / uncached", "the same bits", "kept per chunk, MiB"),
        rows,
    )


def calls(unet: UNet, side: int) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """One U-Net call of two rows, with keys and values projected in the call and cached."""
    x, t = torch.randn(2, unet.config.in_channels, side, side), torch.full((2,), 500)
    context = torch.randn(2, CHUNK, unet.config.context_dim)
    has_sizes = unet.config.added is not None
    pooled = torch.randn(2, 1280) if has_sizes else None
    size_ids = torch.full((2, 6), 512) if has_sizes else None
    plan = {site.name: get("sdpa") for site in unet.sites}
    pages = PagedContexts(max_bytes=2**30)
    asked = [[(row, partial(unet.keys_values, context[row : row + 1]))] for row in range(2)]

    def uncached() -> Tensor:
        return unet(x, t, context, pooled, size_ids, AttentionRuntime(plan))

    def kept() -> Tensor:
        with pages.rows(asked) as ahead:
            return unet(x, t, None, pooled, size_ids, AttentionRuntime(plan, context=ahead))

    return uncached, kept


def lengths(options: argparse.Namespace) -> Section:
    rows = []
    for model, sites in CROSS.items():
        for counts in COUNTS:
            common = lcm(*counts)
            pages, repeated = both_ways(sites, counts, common)
            ratio = ratios({"repeated": repeated, "pages": pages}, options.rounds)["pages"]
            rows.append([model, " ".join(map(str, counts)), str(common), f"{ratio:.2f}"])
    return Section(
        "Cross-attention of rows with unequal prompts",
        "A site of each kind once, keys and values there: pages (a call for each length) over every prompt "
        "repeated to the common length, where the rows are one tensor already.",
        ("model", "chunks of the rows", "common length", "pages / repeated"),
        rows,
        num_texts=2,
    )


def both_ways(sites: Sequence[tuple[int, int, int]], counts: Sequence[int], common: int) -> tuple[Way, Way]:
    """Cross-attention of rows with these numbers of chunks, in pages and repeated to `common` chunks."""
    scales = {str(i): d**-0.5 for i, (_, d, _) in enumerate(sites)}
    queries = {str(i): torch.randn(len(counts), n, h, d).transpose(1, 2) for i, (h, d, n) in enumerate(sites)}
    piece = {
        str(i): (torch.randn(1, h, CHUNK, d), torch.randn(1, h, CHUNK, d))
        for i, (h, d, _) in enumerate(sites)
    }
    pages = PagedContexts(max_bytes=2**30)
    asked = [[((row, chunk), lambda: piece) for chunk in range(count)] for row, count in enumerate(counts)]
    runtime = AttentionRuntime(dict.fromkeys(piece, get("sdpa")))
    weight = torch.zeros(1)  # nothing is recorded

    def cross(site: str, q: Tensor, groups: ContextRows) -> None:
        runtime.attend_cross(site, q, groups, scale=scales[site], grid=(q.shape[2], 1), out_weight=weight)

    wide = {
        site: (k.repeat(len(counts), 1, common, 1), v.repeat(len(counts), 1, common, 1))
        for site, (k, v) in piece.items()
    }

    def in_pages() -> None:
        with pages.rows(asked) as groups:
            for site, q in queries.items():
                cross(site, q, groups)

    def repeated() -> None:
        for site, q in queries.items():
            cross(site, q, (RowGroup(wide.__getitem__),))

    return in_pages, repeated


def blocks(options: argparse.Namespace) -> Section:
    tables = {size: -(-CHUNK // size) for size in (CHUNK, 64, 32, 16, 8)}
    ways = {str(size): reader(size, count) for size, count in tables.items()}
    found = ratios(ways, max(options.rounds, 50))
    rows = [
        [str(size), f"{found[str(size)]:.2f}", f"{1 - CHUNK / (size * count):.1%}"]
        for size, count in tables.items()
    ]
    text = "Reading 8 rows of one chunk, 8 heads of 40, over reading them as whole chunks."
    return Section("Size of a block", text, ("block", "time", "empty places"), rows, num_texts=0)


def reader(size: int, count: int) -> Way:
    pool = BlockPool(8 * count, size, 8, 40, dtype=torch.float32, device=torch.device("cpu"))
    pool.k.normal_(), pool.v.normal_()
    numbers = torch.randperm(8 * count).unflatten(0, (8, count))
    return lambda: pool.read(numbers, CHUNK)


def decoding(options: argparse.Namespace) -> Section:
    rows = []
    for count in (32, 128, 512):
        q, k, v = (torch.randn(4, h, count, 64) for h in (8, 2, 2))
        ways: dict[str, Way] = {
            "again": partial(read_again, q, k, v),
            "contiguous": partial(read_on, KVCache, q, k, v),
            "paged": partial(read_on, PagedKVCache, q, k, v),
        }
        found = ratios(ways, options.rounds)
        sizes = [f"{shared_bytes(cache, k, v) / 2**20:.2f}" for cache in (KVCache(), PagedKVCache())]
        rows.append([str(count), f"{found['contiguous']:.3f}", f"{found['paged']:.3f}", *sizes])
    return Section(
        "Decoding",
        "One layer, token by token, 4 sequences, 8 query heads on 2 key heads of 64, over reading everything "
        "again for each token. Memory is that at the end, of 4 sequences that were one for half the way.",
        ("tokens", "contiguous", "paged", "contiguous, MiB", "paged, MiB"),
        rows,
        num_texts=0,
    )


def read_again(q: Tensor, k: Tensor, v: Tensor) -> None:
    for stop in range(1, q.shape[2] + 1):
        attend(q[:, :, :stop], k[:, :, :stop], v[:, :, :stop], causal=True)


def read_on(make: Callable[[], DecodingCache], q: Tensor, k: Tensor, v: Tensor) -> None:
    cache = make()
    for one_q, one_k, one_v in zip(*(x.split(1, dim=2) for x in (q, k, v)), strict=True):
        attend(one_q, *cache.append(0, one_k, one_v))


def shared_bytes(cache: KVCache | PagedKVCache, k: Tensor, v: Tensor) -> int:
    half = k.shape[2] // 2
    cache.append(0, k[:1, :, :half], v[:1, :, :half])
    cache.select(torch.zeros(4, dtype=torch.long))
    keys, _ = cache.append(0, k[:, :, half:], v[:, :, half:])
    if isinstance(cache, PagedKVCache):
        taken = cache.pager.num_blocks - cache.pager.num_free
        return 2 * taken * cache.pager.block_size * k.shape[1] * k.shape[3] * k.itemsize
    return 2 * keys.untyped_storage().nbytes()


def ratios(ways: Mapping[str, Way], rounds: int) -> dict[str, float]:
    """Way -> its time over the first way's."""
    for run in ways.values():
        run()  # warms up
    times = {name: processor(taken) for name, taken in take_turns(ways, rounds).items()}
    first = times[next(iter(ways))]
    return {name: Ratio.of(each, first).median for name, each in times.items()}


def random_unet(config: dict[str, object] | Path) -> UNet:
    with parameters_on_meta():
        unet = UNet(read_config(config))
    shared: dict[torch.Size, nn.Parameter] = {}
    for module in unet.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.shape not in shared:
                shared[parameter.shape] = nn.Parameter(0.02 * torch.randn(parameter.shape))
            setattr(module, name, shared[parameter.shape])
    return unet.eval()
