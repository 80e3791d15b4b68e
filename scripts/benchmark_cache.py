"""When keeping keys and values pays, and when pages do: `python -m scripts.benchmark_cache`.

Ways of doing one thing take turns, several rounds; a ratio is the median over the rounds of a way's time over
that of the first way in the same round. Weights are random. Sizes are those of SD1.5 and of SDXL's base.
"""

import argparse
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import lcm
from pathlib import Path

import torch
from torch import Tensor, nn

from attention import AttentionRuntime, attend, get
from attention.caches.contexts import PagedContexts
from attention.caches.decoding import DecodingCache, KVCache, PagedKVCache
from attention.caches.pool import BlockPool
from unet import UNet, UNetConfig
from unet.weights import parameters_on_meta

Way = Callable[[], object]
CHUNK = 77
SDXL = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
BOX = Path(__file__).parent.parent / "pipeline" / "default_model" / "unet"
FAMILIES: dict[str, dict[str, object] | Path] = {  # what UNetConfig reads
    "the model in the box": BOX,
    "SD1.5": {"cross_attention_dim": 768},
    "SDXL": SDXL,
}
# A site of each kind at 512 px (SD1.5) and 1024 px (SDXL): heads, head dim, positions.
CROSS = {"SD1.5": ((8, 40, 4096), (8, 80, 1024), (8, 160, 256)), "SDXL": ((10, 64, 4096), (20, 64, 1024))}
COUNTS = ((1, 1), (1, 2), (1, 3), (2, 3), (1, 1, 1, 1), (1, 1, 1, 2), (1, 1, 1, 3), (1, 2, 1, 3))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=32, help="of the latent in U-Net calls")
    parser.add_argument("--only", default="", help="families whose name contains this")
    parser.add_argument("--note", default="", help="a sentence for the report, such as what else was running")
    parser.add_argument("-o", "--output", type=Path, help="a Markdown file; standard output if not given")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with torch.inference_mode():
        report = "\n".join(markdown(arguments))
    if arguments.output is None:
        print(report)
    else:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(report + "\n")
    return 0


def markdown(arguments: argparse.Namespace) -> Iterator[str]:
    command = shlex.join(["python", "-m", "scripts.benchmark_cache", *sys.argv[1:]])
    yield from ("# Caches and pages on a CPU", "")
    yield (
        f"{arguments.threads} thread(s), float32, torch {torch.__version__}, Python "
        f"{platform.python_version()}. {arguments.note}"
    ).rstrip()
    yield from ("", f"    {command}", "", *(__doc__ or "").split("\n\n", 1)[1].strip().splitlines(), "")
    yield from prompts(arguments)
    yield from lengths(arguments)
    yield from blocks(arguments)
    yield from decoding(arguments)


def prompts(arguments: argparse.Namespace) -> Iterator[str]:
    yield from ("## A U-Net call with the prompts' keys and values kept", "")
    yield (
        f"A call of two rows at a latent of {arguments.side} x {arguments.side}, over one that projects "
        "them anew. What is saved does not grow with the picture, and its share falls. Weights of one shape "
        "are one tensor, so that SDXL fits in memory."
    )
    yield from ("", "| model | kept / anew | the same bits | kept per chunk, MiB |", "|---|--:|---|--:|")
    for name, config in FAMILIES.items():
        if arguments.only in name:
            unet = random_unet(config)
            anew, kept = calls(unet, arguments.side)
            is_same = torch.equal(anew(), kept())
            ratio = ratios({"anew": anew, "kept": kept}, arguments.rounds)["kept"]
            made = unet.keys_values(torch.randn(1, CHUNK, unet.config.context_dim))
            size = sum(k.nbytes + v.nbytes for k, v in made.values()) / 2**20
            yield f"| {name} | {ratio:.3f} | {'yes' if is_same else 'no'} | {size:.1f} |"
            print(name, ratio, file=sys.stderr, flush=True)
    yield ""


def calls(unet: UNet, side: int) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """One U-Net call of two rows, with keys and values projected anew and kept."""
    x, t = torch.randn(2, 4, side, side), torch.full((2,), 500)
    context = torch.randn(2, CHUNK, unet.config.context_dim)
    has_sizes = unet.config.added is not None
    pooled = torch.randn(2, 1280) if has_sizes else None
    size_ids = torch.full((2, 6), 512) if has_sizes else None
    plan = {site.name: get("sdpa") for site in unet.sites}
    pages = PagedContexts(max_bytes=2**30)
    asked = [[(row, partial(unet.keys_values, context[row : row + 1]))] for row in range(2)]

    def anew() -> Tensor:
        return unet(x, t, context, pooled, size_ids, AttentionRuntime(plan))

    def kept() -> Tensor:
        with pages.rows(asked) as ahead:
            return unet(x, t, None, pooled, size_ids, AttentionRuntime(plan, context=ahead))

    return anew, kept


def lengths(arguments: argparse.Namespace) -> Iterator[str]:
    yield from ("## Cross-attention of rows with unequal prompts", "")
    yield (
        "A site of each kind once, keys and values there: pages (a call for each length) over every prompt "
        "repeated to the common length, where the rows are one tensor already."
    )
    yield from ("", "| model | chunks of the rows | common length | pages / repeated |", "|---|---|--:|--:|")
    for model, sites in CROSS.items():
        for counts in COUNTS:
            pages, repeated = both_ways(sites, counts, lcm(*counts))
            ratio = ratios({"repeated": repeated, "pages": pages}, arguments.rounds)["pages"]
            yield f"| {model} | {' '.join(map(str, counts))} | {lcm(*counts)} | {ratio:.2f} |"
            print(model, counts, ratio, file=sys.stderr, flush=True)
    yield ""


def both_ways(sites: Sequence[tuple[int, int, int]], counts: Sequence[int], common: int) -> tuple[Way, Way]:
    """Cross-attention of rows with so many chunks, in pages and repeated to `common` chunks."""
    scales = {str(i): d**-0.5 for i, (_, d, _) in enumerate(sites)}
    queries = {str(i): torch.randn(len(counts), n, h, d).transpose(1, 2) for i, (h, d, n) in enumerate(sites)}
    piece = {
        str(i): (torch.randn(1, h, CHUNK, d), torch.randn(1, h, CHUNK, d))
        for i, (h, d, _) in enumerate(sites)
    }
    pages = PagedContexts(max_bytes=2**30)
    asked = [[((row, chunk), lambda: piece) for chunk in range(count)] for row, count in enumerate(counts)]
    runtime = AttentionRuntime(dict.fromkeys(piece, get("sdpa")))
    wide = {site: [x.repeat(len(counts), 1, common, 1) for x in kv] for site, kv in piece.items()}

    def in_pages() -> None:
        with pages.rows(asked) as groups:
            for site, q in queries.items():
                runtime.attend_ahead(site, q, groups, scale=scales[site])

    def repeated() -> None:
        for site, q in queries.items():
            runtime.attend(site, q, *wide[site], scale=scales[site])

    return in_pages, repeated


def blocks(arguments: argparse.Namespace) -> Iterator[str]:
    yield from ("## Size of a block", "")
    yield from ("Reading 8 rows of one chunk, 8 heads of 40, over reading them as whole chunks.", "")
    yield from ("| block | time | empty places |", "|--:|--:|--:|")
    tables = {size: -(-CHUNK // size) for size in (CHUNK, 64, 32, 16, 8)}
    ways: dict[str, Way] = {}
    for size, count in tables.items():
        ways[str(size)] = reader(size, count)
    found = ratios(ways, max(arguments.rounds, 50))
    for size, count in tables.items():
        empty = 1 - CHUNK / (size * count)
        yield f"| {size} | {found[str(size)]:.2f} | {empty:.1%} |"
    yield ""


def reader(size: int, count: int) -> Way:
    pool = BlockPool(8 * count, size, 8, 40, dtype=torch.float32, device=torch.device("cpu"))
    pool.k.normal_(), pool.v.normal_()
    numbers = torch.randperm(8 * count).unflatten(0, (8, count))
    return lambda: pool.read(numbers, CHUNK)


def decoding(arguments: argparse.Namespace) -> Iterator[str]:
    yield from ("## Decoding", "")
    yield (
        "One layer, token by token, 4 sequences, 8 query heads on 2 key heads of 64, over reading everything "
        "again for each token. Memory is that at the end, of 4 sequences that were one for half the way."
    )
    yield from ("", "| tokens | contiguous | paged | contiguous, MiB | paged, MiB |", "|--:|--:|--:|--:|--:|")
    for count in (32, 128, 512):
        q, k, v = (torch.randn(4, h, count, 64) for h in (8, 2, 2))
        ways: dict[str, Way] = {
            "again": partial(read_again, q, k, v),
            "contiguous": partial(read_on, KVCache, q, k, v),
            "paged": partial(read_on, PagedKVCache, q, k, v),
        }
        found = ratios(ways, arguments.rounds)
        sizes = [f"{shared_bytes(cache, k, v) / 2**20:.2f}" for cache in (KVCache(), PagedKVCache())]
        yield f"| {count} | {found['contiguous']:.3f} | {found['paged']:.3f} | {sizes[0]} | {sizes[1]} |"


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
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            start = time.process_time()
            run()
            if turn > 0:  # the first round warms up
                seconds[name].append(time.process_time() - start)
    first = seconds[next(iter(ways))]
    return {
        name: statistics.median(a / b for a, b in zip(times, first, strict=True))
        for name, times in seconds.items()
    }


def random_unet(config: dict[str, object] | Path) -> UNet:
    with parameters_on_meta():
        unet = UNet(UNetConfig.from_json(config))
    shared: dict[torch.Size, nn.Parameter] = {}
    for module in unet.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.shape not in shared:
                shared[parameter.shape] = nn.Parameter(0.02 * torch.randn(parameter.shape))
            setattr(module, name, shared[parameter.shape])
    return unet.eval()


if __name__ == "__main__":
    sys.exit(main())
