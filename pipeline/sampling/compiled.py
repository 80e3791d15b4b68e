"""A compiled U-Net whose graphs are made once: calls come in a few sizes and differ in nothing else.

`torch.compile` makes a graph for every shape, and for every Python value that the call depends on: which rows
are recorded, how prompts are grouped. So rows are filled up to a bucket by repeating the last one. Contexts
are read out of their pages before the call and repeated to a common length, which changes nothing but
rounding: equal keys share the weight that one of them would have. Recorders receive their tensors after the
call.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from math import lcm
from typing import Any

import torch
from torch import Tensor

from limelight.attention import AttentionRuntime, ContextRows, KeysValues, RowGroup
from limelight.attention.recording.recorder import RowRecorder
from limelight.attention.recording.recording import Grid
from limelight.pipeline.errors import RequestError, UsageError
from limelight.pipeline.requests.request import GenerationRequest
from limelight.unet import UNet

logger = logging.getLogger(__name__)
MAX_GRAPHS = 64
MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
WITHOUT_COMPILER = "cudagraphs"  # the kernels of the U-Net as it is, started together
TORCH_MAX_GRAPHS = 8  # the fixed limit of torch versions whose `compile` cannot set one


def check_compiled(request: GenerationRequest) -> None:
    """Raises RequestError for what a compiled U-Net cannot do."""
    if request.lossy_cache_interval > 1:
        raise RequestError(
            f"lossy_cache_interval is {request.lossy_cache_interval}; a compiled U-Net computes every "
            "prediction whole: set it to 1, or leave compile out"
        )
    if request.uncompiled:
        raise RequestError(
            f"{', '.join(request.uncompiled)} given; a compiled U-Net takes none: leave them or compile out"
        )


def options_of(compile: bool | str) -> dict[str, Any]:
    """The options of `torch.compile` for the argument `compile` of a pipeline, True or a word.

    Raises:
        UsageError: an unknown word.
    """
    if compile == WITHOUT_COMPILER:
        return {"backend": "cudagraphs"}
    if isinstance(compile, str) and compile not in MODES:
        known = ", ".join(map(repr, (WITHOUT_COMPILER, *MODES)))
        raise UsageError(f"compile is {compile!r}; must be True, False or one of {known}")
    return {"mode": compile if isinstance(compile, str) else None}


class Graphs:
    """A compiled U-Net, called as `UNet.forward`; the runtime holds the keys and values of the prompts.

    A graph is made for each bucket of rows (1, 2, 4, ... up to `max_rows`), size of picture, common length of
    contexts, and kind of recording: none, cross-attention (by its backend's maps where that has them, by
    queries), or self-attention too. Prompts, seeds, steps, schedulers and which of the rows are recorded make
    none.

    Args:
        max_rows: of a call; a larger one is a bucket by itself.
        options: of `torch.compile`, such as `mode` or `backend`.

    Raises:
        UsageError: the U-Net has the parts that make it fast on a CPU, which do not compile.
    """

    def __init__(self, unet: UNet, max_rows: int, **options: Any) -> None:
        if not unet.can_compile:
            raise UsageError(
                "compile is for GPUs, or another dtype; in float32 on this CPU the U-Net has parts that make "
                "it fast and do not compile: leave it out"
            )
        limit: dict[str, Any] = {}
        self.max_graphs = TORCH_MAX_GRAPHS
        if "recompile_limit" in signature(torch.compile).parameters:
            self.max_graphs = MAX_GRAPHS
            limit = {"recompile_limit": MAX_GRAPHS}
        self.max_rows = max_rows
        self._unet = unet
        self._sites = [site.name for site in unet.sites if site.kind == "cross"]
        self._compiled = torch.compile(unet, fullgraph=True, dynamic=False, **limit, **options)
        self._made: set[tuple[Any, ...]] = set()

    def __call__(
        self, x: Tensor, timesteps: Tensor, context: None, *, attention: AttentionRuntime, **more: Any
    ) -> Tensor:
        """The prediction for `x`; arguments as those of `UNet.forward`."""
        recorder = attention.recorder
        assert attention.context is not None  # the engine makes both
        assert recorder is None or isinstance(recorder, RowRecorder)
        rows = torch.arange(bucket(len(x), self.max_rows), device=x.device).clamp_(max=len(x) - 1)
        lengths, at = aligned(attention.context, self._sites, rows)
        tape = None if recorder is None else Tape(keeps_self=recorder.takes_self)
        has_means = attention.means is not None and any(b.cross is not None for b in attention.plan.values())
        means = tape if has_means and recorder is not None and not recorder.takes_queries else None
        runtime = AttentionRuntime(attention.plan, tape, (RowGroup(partial(_read, at)),), means)
        tokens = at[self._sites[0]][0].shape[2]
        kind = None if tape is None else (tape.keeps_self, means is not None)
        unet = self._graph((len(rows), *x.shape[1:], tokens, kind))
        filled = {name: None if value is None else value[rows] for name, value in more.items()}
        torch.compiler.cudagraph_mark_step_begin()
        times = timesteps[rows].float()  # some schedulers have them as integers
        prediction = unet(x[rows], times, None, attention=runtime, **filled)
        if tape is not None and recorder is not None:
            tape.play(recorder, self._unet, at, lengths)
        return prediction[: len(x)].clone()  # a CUDA graph writes its next output over this one

    def _graph(self, key: tuple[Any, ...]) -> Any:
        if key not in self._made:
            if len(self._made) == self.max_graphs:
                logger.warning("the limit of %d graphs is reached; a call is not compiled", len(self._made))
                return self._unet
            self._made.add(key)
        return self._compiled


def bucket(num_rows: int, max_rows: int) -> int:
    """How many rows a call of `num_rows` is filled up to: a power of two, or `max_rows`."""
    return min(1 << (num_rows - 1).bit_length(), max(num_rows, max_rows))


@dataclass(slots=True)
class Tape:
    """A recorder that knows nothing of rows or recordings, and so is the same in every call.

    Args:
        keeps_self: whether self-attention is kept too.
    """

    keeps_self: bool
    of_cross: dict[str, tuple[Tensor, float, Grid]] = field(default_factory=dict)
    of_self: dict[str, tuple[Tensor, Tensor, float, Grid]] = field(default_factory=dict)
    of_means: dict[str, tuple[list[Tensor], Tensor, Grid]] = field(default_factory=dict)

    def record(
        self, site: str, q: Tensor, k: Any, v: Any, *, scale: float, grid: Grid, out_weight: Tensor
    ) -> None:
        self.of_cross[site] = q, scale, grid

    def record_means(self, site: str, q: Tensor, means: Sequence[Tensor], *, grid: Grid) -> None:
        self.of_means[site] = list(means), q, grid

    def record_self(self, site: str, q: Tensor, k: Tensor, *, scale: float, grid: Grid) -> None:
        if self.keeps_self:
            self.of_self[site] = q, k, scale, grid

    def play(
        self, recorder: RowRecorder, unet: UNet, context: Mapping[str, KeysValues], lengths: Sequence[int]
    ) -> None:
        """Passes to `recorder` the rows that it was made for.

        Args:
            lengths: number of tokens of each row's own context.
        """
        n = len(lengths)
        for site, (q, own, scale, grid) in self.of_self.items():
            recorder.record_self(site, q[:n], own[:n], scale=scale, grid=grid)
        for site, (q, scale, grid) in self.of_cross.items():
            k, v = ([x[row, :, :m] for row, m in enumerate(lengths)] for x in context[site])
            weight = unet.get_parameter(f"{site}.to_out.0.weight")
            recorder.record(site, q[:n], k, v, scale=scale, grid=grid, out_weight=weight)
        for site, (means, q, grid) in self.of_means.items():
            folded = [mean.unflatten(-1, (-1, m)).sum(-2) for mean, m in zip(means, lengths, strict=False)]
            recorder.record_means(site, q[:n], folded, grid=grid)


def aligned(
    groups: ContextRows, sites: Sequence[str], rows: Tensor
) -> tuple[list[int], dict[str, KeysValues]]:
    """The length of each row's context, and site -> keys and values of `rows`, all of a common length."""
    found = {site: [group.at(site) for group in groups] for site in sites}
    counts = [k.shape[:3:2] for k, _ in found[sites[0]]]  # rows and tokens of each group
    common = lcm(*(tokens for _, tokens in counts))
    lengths = [tokens for num_rows, tokens in counts for _ in range(num_rows)]  # group by group, as below
    if groups[0].rows is not None:
        place = torch.cat([group.rows for group in groups if group.rows is not None]).argsort()
        lengths = [lengths[i] for i in place.tolist()]
        rows = place[rows]

    def repeated(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([x.repeat(1, 1, common // x.shape[2], 1) for x in tensors])[rows]

    context = {
        site: (repeated([k for k, _ in kv]), repeated([v for _, v in kv])) for site, kv in found.items()
    }
    return lengths, context


def _read(context: Mapping[str, KeysValues], site: str) -> KeysValues:
    return context[site]
