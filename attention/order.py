"""Reads a user's order for backends: "sdpa", "self=tiled,cross=sdpa", "SITE=math"."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from limelight.attention.registry import get
from limelight.errors import UsageError

Kind = Literal["self", "cross"]


class BadOrder(UsageError):
    """An order for backends that cannot be read, or that names a site the model lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionOrder:
    """Ordered backends: for a site, else for all self- or cross-attention, else for everything.

    Where none is ordered, any backend may be chosen.

    Raises:
        UnknownBackend: a value is not a backend's name.
    """

    everywhere: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    sites: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named = [] if self.everywhere is None else [self.everywhere]
        for name in (*named, *self.kinds.values(), *self.sites.values()):
            get(name)

    def __str__(self) -> str:
        named = [] if self.everywhere is None else [self.everywhere]
        return ",".join([*named, *(f"{key}={name}" for key, name in {**self.kinds, **self.sites}.items())])

    @classmethod
    def parse(cls, text: str) -> "AttentionOrder":
        """Read "BACKEND", "self=BACKEND", "cross=BACKEND" and "SITE=BACKEND", separated by commas.

        Raises:
            BadOrder: a part is empty or given twice, or names neither self, cross nor a site.
            UnknownBackend: a backend does not exist.
        """
        given: dict[str, str] = {}
        for part in text.split(","):
            key, equals, name = (piece.strip() for piece in part.partition("="))
            if not equals:
                key, name = "", key
            if not name or (equals and not key):
                raise BadOrder(
                    f"attention order {text!r} has the part {part.strip()!r}; "
                    "each part is BACKEND, self=BACKEND, cross=BACKEND or SITE=BACKEND, separated by commas"
                )
            if key in given:
                raise BadOrder(f"attention order {text!r} says twice what to use {_where(key)}; say it once")
            given[key] = name
            if key and key not in get_args(Kind) and "." not in key:
                raise BadOrder(
                    f"attention order {text!r} names {key!r}; must be self, cross or a site's dotted name"
                )
        everywhere = given.pop("", None)
        kinds = {key: name for key, name in given.items() if key in get_args(Kind)}
        sites = {key: name for key, name in given.items() if key not in kinds}
        return cls(everywhere=everywhere, kinds=kinds, sites=sites)

    def backend_at(self, site: str, kind: str) -> str | None:
        """The name of the backend ordered at `site`, or None if any may be chosen."""
        return self.sites.get(site) or self.kinds.get(kind) or self.everywhere


def _where(key: str) -> str:
    return f"for {key}" if key else "everywhere"
