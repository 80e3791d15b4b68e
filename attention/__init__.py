"""Scaled dot-product attention behind one call, with many implementations.

Shape letters in this package:
    b batch   h heads   hk key and value heads   n queries   m keys   d head dim

Queries and keys are sequences here. Only `attention.recording` knows that the queries lie on a grid with a
height and a width; the runtime hands the grid on to the recorder, unread.
"""

from limelight.attention.backend import Backend, BackendRefused
from limelight.attention.capability import Capability
from limelight.attention.context import ContextRows, KeysValues, RowGroup, split_rows
from limelight.attention.multihead import MultiHeadAttention
from limelight.attention.order import AttentionOrder, BadOrder
from limelight.attention.plan import Choice, plan
from limelight.attention.registry import UnknownBackend, attend, backends, get
from limelight.attention.runtime import AttentionRuntime, Recorder, RowByRow
from limelight.attention.spec import AttentionSpec

__all__ = [
    "AttentionOrder",
    "AttentionRuntime",
    "AttentionSpec",
    "Backend",
    "BackendRefused",
    "BadOrder",
    "Capability",
    "Choice",
    "ContextRows",
    "KeysValues",
    "MultiHeadAttention",
    "Recorder",
    "RowByRow",
    "RowGroup",
    "UnknownBackend",
    "attend",
    "backends",
    "get",
    "plan",
    "split_rows",
]
