"""The tables of `limelight backends` and `limelight vocabulary`."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from limelight.app import report
from limelight.app.load import LoadOptions, refusals
from limelight.attention import AttentionSpec, backends
from limelight.pipeline.errors import UsageError
from limelight.pipeline.models.device import choose_device, choose_dtype
from limelight.pipeline.models.locate import locate_model
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.segments import words_in
from limelight.pipeline.text.syntax import parse
from limelight.pipeline.text.vocabulary import Vocabulary

# The largest self-attention of a 512 px picture of Stable Diffusion 1.
_HEAD_DIM, _NUM_POSITIONS = 40, 64 * 64


def show_backends(load: LoadOptions) -> None:
    """Shows which backends can run a typical self-attention on the device, and the reasons against the
    others."""
    import torch

    target = choose_device(load.device)
    capability = torch.cuda.get_device_capability(target) if target.type == "cuda" else None
    spec = AttentionSpec(
        device=target.type,
        dtype=choose_dtype(load.dtype, target),
        head_dim=_HEAD_DIM,
        num_queries=_NUM_POSITIONS,
        num_keys=_NUM_POSITIONS,
        batch=2,
        num_heads=8,
        num_kv_heads=8,
        compute_capability=capability,
    )
    name = f"{target.type}, {str(spec.dtype).removeprefix('torch.')}"
    table = Table("backend", "runs here", "kernel", "why not", title=f"Attention backends on {name}")
    for backend in backends:
        reasons = backend.refusals(spec)
        table.add_row(
            backend.name,
            "no" if reasons else "yes",
            "" if reasons else backend.kernel(spec),
            Text("\n".join(reasons) or backend.drawback(spec) or ""),
        )
    report.show(table)


def show_plan(request: GenerationRequest, load: LoadOptions) -> None:
    """Shows the backend and kernel of every attention site of a model."""
    pipe = load.load()
    with refusals():
        plan = pipe.engine.plan(request)
    request = pipe.engine.resolve(request)
    table = Table(
        "site",
        "kind",
        "queries",
        "keys",
        "heads x dim",
        "backend",
        "kernel",
        title=Text(report.plain(f"Plan of {load.model!r} at {request.width}x{request.height}")),
    )
    for site in pipe.model.unet.sites:
        choice = plan[site.name]
        spec = choice.spec
        table.add_row(
            site.name,
            site.kind,
            str(spec.num_queries),
            str(spec.num_keys),
            f"{spec.num_heads} x {spec.head_dim}",
            choice.backend.name,
            choice.kernel,
        )
    report.show(table)
    used = Counter(f"{choice.backend.name} ({choice.kernel})" for choice in plan.values())
    for name, number in used.most_common():
        report.say(f"{number} sites: {name}")


def show_vocabulary(model: str) -> None:
    """Shows a model's words by group.

    Raises:
        UsageError: the model lists no words.
    """
    table = Table(show_header=False, box=None, padding=(0, 2, 1, 0))
    for name, words in _vocabulary(model).groups.items():
        table.add_row(Text(report.plain(name), style="bold"), Text(report.plain(", ".join(words))))
    report.show(table)


def look_up(texts: Sequence[str], model: str) -> None:
    """Says of each text, read as a prompt, whether a model knows its words, and which known ones are near to
    the others.

    Raises:
        UsageError: the model lists no words.
    """
    known = _vocabulary(model)
    for text in texts:
        words = [
            word
            for part in parse(text)
            for start, end in part.stretches()
            for word in words_in(part.text[start:end])
        ]
        offers = known.offers(words)
        if not words:
            report.say(f"{text!r}: no word")
        elif not offers:
            report.say(f"{text}: known")
        elif [offer.typed for offer in offers] == [text.strip()]:
            report.say(f"{text}: not known {offers[0].instead}".rstrip())
        else:
            report.say(f"{text}: not known: {', '.join(map(str, offers))}")


def _vocabulary(model: str) -> Vocabulary:
    known = Vocabulary.read(locate_model(model))
    if known is None:
        raise UsageError(f"{model!r} lists no words; large models know most of a language")
    return known
