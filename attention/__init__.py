"""Scaled dot-product attention behind one call, with many implementations.

Shape letters in this package (no image height exists here, so h is heads):
    b batch   h heads   hk key and value heads   n queries (image positions)   m keys (positions or tokens)
    d head dim
"""

from attention.backend import Backend, BackendRefused
from attention.capability import Capability
from attention.context import ContextRows, KeysValues, RowGroup, split_rows
from attention.multihead import MultiHeadAttention
from attention.order import AttentionOrder, BadOrder
from attention.plan import Choice, plan
from attention.registry import UnknownBackend, attend, backends, get
from attention.runtime import AttentionRuntime, Recorder, RowByRow
from attention.spec import AttentionSpec

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
