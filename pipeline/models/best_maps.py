"""The combination of a model's attention maps that best matches the objects that words name."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from limelight.files import UnreadableFile, read_json
from limelight.pipeline.errors import ModelError
from limelight.unet.sites import Site

FILE = "maps.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BestMaps:
    """How maps of heads and predictions are combined by default.

    Attributes:
        heads: cross-attention site -> the heads that are averaged; empty means all heads of the grids.
        finest: whether only the finest grid is used; otherwise all but the coarsest are.
        last: fraction of the predictions that is averaged, counted from the end, since the first see noise.
        scores: the measured scores, for readers of the file.
    """

    heads: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    finest: bool = False
    last: float = 1.0
    scores: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls, folder: Path, sites: Iterable[Site]) -> "BestMaps | None":
        """Reads `maps.json` in a model's folder; None if there is none.

        Raises:
            ModelError: the file is invalid, or names a head that the model does not have.
        """
        path = folder / FILE
        try:
            stored = read_json(path)
        except FileNotFoundError:
            return None
        except UnreadableFile as error:
            raise ModelError(str(error)) from None
        try:
            heads = {str(site): tuple(map(int, each)) for site, each in stored["heads"].items()}
            last = float(stored["last"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(f"{path} does not say which maps are best: {error!r}") from None
        known = {site.name: site.num_heads for site in sites if site.kind == "cross"}
        for site, each in heads.items():
            if bad := [head for head in each if not 0 <= head < known.get(site, 0)]:
                raise ModelError(f"{path} names head {bad[0]} of {site}, which the model does not have")
        if not (0 < last <= 1 and all(heads.values())):
            raise ModelError(f"{path} has last {last} and {len(heads)} sites; needs 0 < last <= 1, and heads")
        return cls(heads=heads, finest=True, last=last, scores=stored.get("scores", {}))

    def write(self, folder: Path) -> Path:
        """Writes `maps.json` into a model's folder."""
        path = folder / FILE
        heads = {site: list(each) for site, each in self.heads.items()}
        text = json.dumps({"heads": heads, "last": self.last, "scores": dict(self.scores)}, indent=1)
        path.write_text(text + "\n", encoding="utf-8")
        return path


ALL = BestMaps()
FINEST = BestMaps(finest=True)
