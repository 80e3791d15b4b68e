"""Chooses seeds for rows without one: random, but equal in every run, so that a run can be continued."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from limelight.pipeline.requests.fields import FIELDS, OPEN_SEED

SEEDS = 2**32


def is_seed_open(values: Mapping[str, Any], matrix: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether neither the row nor the run gives a seed."""
    if "seed" in values:
        return bool(values["seed"] == OPEN_SEED)
    return "seed" not in matrix and defaults.get("seed", OPEN_SEED) == OPEN_SEED


def open_seed(values: Mapping[str, Any], drawn: Counter[bytes]) -> int:
    """A seed derived from the values of the row and from how many earlier rows have the same values.

    All pictures of a row begin with it, so that those of a matrix can be compared.

    Args:
        drawn: counts how often each combination of values has occurred; it is updated.
    """
    asked = {name: value for name, value in values.items() if name in FIELDS and name != "seed"}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=repr).encode()).digest()
    drawn[digest] += 1
    number = drawn[digest].to_bytes(8, "big")
    return int.from_bytes(hashlib.sha256(digest + number).digest()[:8], "big") % SEEDS
