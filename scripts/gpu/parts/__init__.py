"""The parts of the check, one file each.

`measure(card, tiny=..., until=...)` yields findings as they are made: `tiny` is a dry run, which goes through
the same lines with sizes that take no time; `until` is the moment of `time.time` at which the part is ended.
"""
