"""The table of request fields: what the command line, manifests, the page and records know of each.

A new field is a line in `GenerationRequest`, a line in `types.RequestFields` and an entry in a table. Code
elsewhere names it only where it is used.
"""

from collections.abc import Mapping

from limelight.pipeline.requests.fields import expert_table, table
from limelight.pipeline.requests.fields.field import MAX_CACHE_INTERVAL as MAX_CACHE_INTERVAL
from limelight.pipeline.requests.fields.field import MAX_SEED as MAX_SEED
from limelight.pipeline.requests.fields.field import OPEN_SEED as OPEN_SEED
from limelight.pipeline.requests.fields.field import RECORD_EXTRAS as RECORD_EXTRAS
from limelight.pipeline.requests.fields.field import Field as Field
from limelight.pipeline.requests.fields.types import RequestFields as RequestFields
from limelight.pipeline.requests.values import ImageFile

FIELDS: Mapping[str, Field] = {**table.TABLE, **expert_table.TABLE}

IMAGES: Mapping[str, ImageFile] = {
    name: field.value for name, field in FIELDS.items() if isinstance(field.value, ImageFile)
}


def offered() -> dict[str, Field]:
    """The fields that a visitor of the page may set."""
    return {name: field for name, field in FIELDS.items() if field.is_offered}


def names_by_a1111(key: str) -> list[str]:
    """The fields that AUTOMATIC1111's text has under one key."""
    return [name for name, field in FIELDS.items() if field.a1111 == key]
