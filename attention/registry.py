"""Every backend by name, and the choice among them for one call."""

from collections.abc import Sequence
from difflib import get_close_matches

from jaxtyping import Float
from torch import Tensor

from limelight.attention.backend import Backend, BackendRefused, Mask, refused
from limelight.attention.backends import flash, math, onednn, sdpa, sdpa_kernels, tiled, triton, xformers
from limelight.attention.spec import AttentionSpec
from limelight.errors import UsageError

# In order of preference: the automatic choice takes the first that accepts and has no drawback. onednn has a
# drawback unless it was measured to be faster than sdpa. sdpa runs everything, needs no package, and chooses
# well among torch's kernels. The others run only when a user orders them: other packages, torch's kernels one
# by one, tiled attention, which needs the least memory, and the reference, which keeps all scores.
backends: tuple[Backend, ...] = (
    onednn.BACKEND,
    sdpa.BACKEND,
    flash.BACKEND,
    xformers.BACKEND,
    sdpa_kernels.FLASH,
    sdpa_kernels.EFFICIENT,
    sdpa_kernels.CUDNN,
    triton.BACKEND,
    tiled.BACKEND,
    sdpa_kernels.MATH,
    math.BACKEND,
)


class UnknownBackend(UsageError):
    """No backend has this name; the message lists those that exist, the nearest first."""


def get(name: str) -> Backend:
    """The backend called `name`.

    Raises:
        UnknownBackend: no backend has that name.
    """
    names = [backend.name for backend in backends]
    if name not in names:
        nearest = get_close_matches(name, names, n=1)
        hint = f" (did you mean {nearest[0]}?)" if nearest else ""
        raise UnknownBackend(f"unknown attention backend {name!r}{hint}; must be one of {', '.join(names)}")
    return backends[names.index(name)]


def choose(spec: AttentionSpec, among: Sequence[Backend] = backends) -> tuple[Backend, dict[str, list[str]]]:
    """The first backend that can run `spec` and has no drawback, and the reasons against those before it.

    Raises:
        BackendRefused: none can; the message gives every backend's reasons.
    """
    passed_over: dict[str, list[str]] = {}
    for backend in among:
        reasons = backend.refusals(spec)
        if not reasons and (drawback := backend.drawback(spec)):
            reasons = [drawback]
        if not reasons:
            return backend, passed_over
        passed_over[backend.name] = reasons
    report = [f"  {name}: {'; '.join(reasons)}" for name, reasons in passed_over.items()]
    raise BackendRefused("\n".join([f"no attention backend can run {spec}", *report]))


def obey(name: str, spec: AttentionSpec) -> Backend:
    """The backend called `name`, if it can run `spec`.

    Raises:
        UnknownBackend: there is none.
        BackendRefused: it cannot; the message gives every reason.
    """
    backend = get(name)
    if reasons := backend.refusals(spec):
        raise BackendRefused(refused(name, reasons, spec))
    return backend


def attend(
    q: Float[Tensor, "b h n d"],
    k: Float[Tensor, "b hk m d"],
    v: Float[Tensor, "b hk m d"],
    *,
    mask: Mask | None = None,
    causal: bool = False,
    scale: float | None = None,
    backend: str | None = None,
) -> Float[Tensor, "b h n d"]:
    """softmax(scale * q kT + mask) v, over the keys.

    Args:
        k, v: may have fewer heads than q; query head i reads key head i // (h // hk).
        mask: broadcastable to b h n m; booleans (True takes part) or numbers added to the scores, in q's
            dtype or float32. A query that may see no key gets zeros.
        causal: query i sees keys j <= i + m - n, so the last query sees every key, as decoding with a cache
            needs. If n == m, this is the usual meaning; if n != m, torch's `is_causal` differs. With a mask,
            both apply.
        scale: 1 / sqrt(d) if None.
        backend: a name is an order, which is obeyed or refused; None takes the first that accepts.

    Raises:
        UnknownBackend: no backend has that name.
        BackendRefused: the named backend, or every backend, cannot run this call; the message says why.
        ValueError: the tensors do not fit each other.
    """
    spec = AttentionSpec.of(q, k, v, mask=mask, causal=causal)
    chosen = choose(spec)[0] if backend is None else obey(backend, spec)
    return chosen.attend_checked(q, k, v, mask=mask, causal=causal, scale=scale)
