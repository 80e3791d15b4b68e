"""Chooses a backend for each site before the first step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from limelight.attention.backend import Backend, BackendRefused
from limelight.attention.order import AttentionOrder, BadOrder, Kind
from limelight.attention.registry import choose, obey
from limelight.attention.spec import AttentionSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The backend of one site.

    Args:
        kernel: the kernel that runs there, as far as this machine can tell.
        passed_over: more preferred backends, each with the reasons against it; empty under an order.
    """

    site: str
    spec: AttentionSpec
    backend: Backend
    kernel: str
    passed_over: Mapping[str, list[str]] = field(default_factory=dict)


def plan(
    sites: Mapping[str, AttentionSpec],
    kinds: Mapping[str, Kind],
    order: AttentionOrder | None = None,
) -> dict[str, Choice]:
    """A backend for every site. An order is obeyed or refused; other sites get the first backend that
    accepts.

    A refusal happens here, not halfway through a picture. The forward pass makes no choices, as
    `torch.compile(fullgraph=True)` requires.

    Raises:
        BackendRefused: the ordered backend, or every backend, refuses a site; the message gives the reasons.
        BadOrder: the order names a site that is not among `sites`.
    """
    order = AttentionOrder() if order is None else order
    _check_sites(order, sites)
    seen: dict[tuple[AttentionSpec, str | None], Choice] = {}  # models repeat a few specs many times
    choices = {}
    for site, spec in sites.items():
        ordered = order.backend_at(site, kinds[site])
        alike = seen.get((spec, ordered))
        backend, passed_over = (alike.backend, alike.passed_over) if alike else _choose(site, spec, ordered)
        kernel = alike.kernel if alike else backend.kernel(spec)
        choices[site] = seen[spec, ordered] = Choice(
            site=site, spec=spec, backend=backend, kernel=kernel, passed_over=passed_over
        )
    return choices


def _choose(site: str, spec: AttentionSpec, ordered: str | None) -> tuple[Backend, Mapping[str, list[str]]]:
    try:
        return choose(spec) if ordered is None else (obey(ordered, spec), {})
    except BackendRefused as refusal:
        raise BackendRefused(f"{site}: {refusal}") from None


def _check_sites(order: AttentionOrder, sites: Mapping[str, AttentionSpec]) -> None:
    for site in order.sites:
        if site not in sites:
            nearest = get_close_matches(site, sites, n=3, cutoff=0.0)
            raise BadOrder(
                f"attention order names the site {site!r}; the nearest are {', '.join(nearest) or 'none'}"
            )
