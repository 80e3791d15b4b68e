"""Profiles a prediction: the time of each kind of kernel, and the time in which no kernel runs."""

import re
from collections.abc import Iterator, Mapping

import torch
from torch.profiler import ProfilerActivity, profile

from scripts.gpu.parts.unet import SIZES, TINY_SIZES, Size, both, in_channels_last
from scripts.gpu.tools.card import Card, name_of
from scripts.gpu.tools.findings import Finding
from scripts.gpu.tools.models import CONFIGS, Call, runtime_of

CALLS = 3
KINDS = {  # (text, kind): the first text that a kernel's name contains
    "attention": r"flash|fmha|attention|softmax",
    "layout": r"nchw|nhwc.*transpose|transpose|permute",
    "convolution": r"conv|implicit|wgrad|dgrad|winograd|im2col",
    "product": r"gemm|cutlass|cublas|nvjet|matmul|addmm|\bmm\b|bmm",
    "norm": r"norm|RowwiseMoments|Welford",
    "copy": r"copy|memcpy|cat|memset",
    "elementwise": r"elementwise|add|mul|silu|gelu|vectorized",
}
PICTURES = {"sd1": 8, "sdxl": 1, "tiny": 1, "tiny-xl": 1}
SHOWN = 12  # kernels


def measure(card: Card, *, tiny: bool, until: float) -> Iterator[Finding]:
    dtype = card.dtypes[0]
    for size in TINY_SIZES if tiny else SIZES:
        theirs, ours = both(size, card, dtype)
        del theirs
        yield from of_prediction(card, size, in_channels_last(ours), dtype)
        del ours
        card.forget()


@torch.inference_mode()
def of_prediction(card: Card, size: Size, unet: torch.nn.Module, dtype: torch.dtype) -> Iterator[Finding]:
    pictures = PICTURES[size.model]
    call = Call.draw(CONFIGS[size.model], 2 * pictures, size.side, card.device, dtype)
    runtime = runtime_of(unet, call)
    for _ in range(2):
        call.of_ours(unet, runtime)
    seconds = card.seconds(lambda: call.of_ours(unet, runtime), CALLS)
    used = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if card.is_gpu else [])]
    with profile(activities=used) as found:
        for _ in range(CALLS):
            call.of_ours(unet, runtime)
        card.synchronize()
    spent = {}
    for event in found.key_averages():
        time = event.self_device_time_total if card.is_gpu else event.self_cpu_time_total
        if time > 0:
            spent[event.key] = time / 1e6 / CALLS, event.count / CALLS
    case = f"{size.title}, {pictures}, {name_of(dtype)}"
    yield Finding(
        f"{case}, a call", "measured", {"ms": 1000 * seconds, "kernels": sum(n for _, n in spent.values())}
    )
    for kind, time in by_kind({name: time for name, (time, _) in spent.items()}, seconds).items():
        yield Finding(f"{case}, {kind}", "measured", {"ms": 1000 * time, "share": time / seconds})
    for name, (time, count) in sorted(spent.items(), key=lambda item: -item[1][0])[:SHOWN]:
        numbers = {"ms": 1000 * time, "share": time / seconds, "calls": count}
        yield Finding(f"{case}, kernel {name[:90]}", "measured", numbers)


def by_kind(spent: Mapping[str, float], whole: float) -> dict[str, float]:
    """Seconds of each kind of kernel, and of no kernel."""
    found = dict.fromkeys([*KINDS, "other"], 0.0)
    for name, seconds in spent.items():
        kind = next((kind for kind, pattern in KINDS.items() if re.search(pattern, name, re.I)), "other")
        found[kind] += seconds
    return found | {"no kernel": max(0.0, whole - sum(spent.values()))}
