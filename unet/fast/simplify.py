"""What of a listed call need not be done at all: views of views, what is made twice, what nobody reads."""

from dataclasses import replace

import torch

from limelight.unet.fast.program import MADE, Operation, Program

_VIEW = "aten_as_strided_default"
# What lies in order, however what it reads does.
_IN_ORDER = {"aten_linear_default", "mkldnn__linear_pointwise_default", "mkldnn__linear_pointwise_binary"}


def simplify(program: Program) -> None:
    """Leaves out operations without which the results are the same.

    A chain of views becomes one view of the memory where it lies; where it ends as it began, none. What is
    made of the same values twice is made once.
    """
    program.known[_VIEW] = torch.ops.aten.as_strided.default
    program.operations = _Simplified(program).operations
    _leave_out_unread(program)


class _Simplified:
    """The operations that are left, in a pass over all."""

    def __init__(self, program: Program) -> None:
        self.program, self.looks = program, program.looks
        self.operations: list[Operation] = []
        self.same: dict[str, str] = {}  # names that stand for others
        self.known: dict[tuple, str] = {}  # what was made, by what it was made of
        self.apart: set[str | None] = set()
        for each in program.operations:
            # A backend may lay out what it returns as it likes, another one in each call.
            follows = each.function not in _IN_ORDER and any(
                self._memory(x) in self.apart for x in each.reads
            )
            if each.is_attention or follows:
                self.apart.update(each.made)
        mutable = [each for each in program.operations if program.is_mutable(each)]
        self.written = {self._memory(name) for each in mutable for name in each.named}
        for each in program.operations:
            self._add(each)
        program.results = [self.same.get(name, name) for name in program.results]

    def _memory(self, name: str) -> str | None:
        look = self.looks.get(name)
        return name if look is None else look.memory

    def _add(self, each: Operation) -> None:
        each.given = [MADE.sub(lambda m: self.same.get(m[0], m[0]), given) for given in each.given]
        each.reads = [self.same.get(name, name) for name in each.reads]
        for name in each.made:
            if name in self.looks:
                memory = self.looks[name].memory
                self.looks[name] = replace(self.looks[name], memory=self.same.get(memory or "", memory))
        if each.is_attention or self.program.is_mutable(each):
            self.operations.append(each)
        elif each.is_many:
            self._add_parts(each)
        elif self._is_view(each.made[0]):
            self._add_view(each.made[0])
        else:
            self._add_made(each)

    def _is_view(self, name: str) -> bool:
        look = self.looks.get(name)
        if look is None or look.memory in (None, name) or look.memory in self.apart:
            return False
        return look.dtype == self.looks[look.memory].dtype

    def _add_view(self, name: str) -> None:
        look = self.looks[name]
        assert look.memory is not None
        if look == self.looks[look.memory]:
            self.same[name] = look.memory
            return
        given = [look.memory, str(list(look.shape)), str(list(look.stride)), str(look.offset)]
        self._once(Operation(_VIEW, given, [look.memory], [name]))

    def _add_parts(self, each: Operation) -> None:
        """Several views of one tensor, most times; of one part, it is that tensor."""
        (name,) = each.made if len(each.made) == 1 else [""]
        if self._is_view(name):
            self._add_view(name)
        else:
            self.operations.append(each)

    def _add_made(self, each: Operation) -> None:
        """What reads nothing that is written to, and is not written to itself, is made once."""
        tags = self.program.known[each.function].tags
        is_random = torch.Tag.nondeterministic_seeded in tags or torch.Tag.nondeterministic_bitwise in tags
        if is_random or not self.written.isdisjoint(map(self._memory, each.named)):
            self.operations.append(each)
        else:
            self._once(each)

    def _once(self, each: Operation) -> None:
        key = (each.function, *each.given)
        if key in self.known:
            self.same[each.made[0]] = self.known[key]
        else:
            self.known[key] = each.made[0]
            self.operations.append(each)


def _leave_out_unread(program: Program) -> None:
    wanted, kept = set(program.results), []
    for each in reversed(program.operations):
        if each.is_attention or program.is_mutable(each) or not wanted.isdisjoint(each.made):
            wanted.update(each.reads)
            kept.append(each)
    program.operations = kept[::-1]
