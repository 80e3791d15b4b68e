"""The changes of LoHa, LoKr, DoRA and LoRA with biases, against their definitions in loops of numpy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from limelight.pipeline.adapters.changes import BiasShift, Decomposed, Hadamard, Kronecker, LowRank, fits

OUT, IN, KERNEL, RANK, SCALE = 6, 4, (3, 3), 2, 0.5


def rand(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape) + len(shape)))


def kernel_of(core: Tensor, a: Tensor, b: Tensor) -> np.ndarray:
    """A kernel in Tucker form: sum over p and q of core[p, q] a[p, o] b[q, i]."""
    out = np.zeros((a.shape[1], b.shape[1], *core.shape[2:]))
    for p in range(core.shape[0]):
        for q in range(core.shape[1]):
            outer = np.outer(a[p].double().numpy(), b[q].double().numpy())
            out += outer[:, :, None, None] * core[p, q].double().numpy()
    return out


def assert_delta(change: object, weight: Tensor, expected: np.ndarray) -> None:
    assert fits(change, weight.shape)
    found = change.delta(weight)
    assert found.shape == weight.shape
    np.testing.assert_allclose(found.double().numpy().reshape(expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize("kernel", [(), KERNEL])
def test_loha_is_the_product_number_by_number(kernel: tuple[int, ...]) -> None:
    columns = IN * int(np.prod(kernel, dtype=int))
    (a, b), (c, d) = ((rand(OUT, RANK), rand(RANK, columns)), (rand(OUT, RANK) + 1, rand(RANK, columns) - 1))
    expected = SCALE * (a.double() @ b.double()).numpy() * (c.double() @ d.double()).numpy()
    assert_delta(Hadamard(((a, b), (c, d)), None, SCALE), rand(OUT, IN, *kernel), expected)


def test_loha_of_a_decomposed_kernel() -> None:
    (a, b), (c, d) = ((rand(RANK, OUT), rand(RANK, IN)), (rand(RANK, OUT) + 1, rand(RANK, IN) - 1))
    cores = rand(RANK, RANK, *KERNEL), rand(RANK, RANK, *KERNEL) + 1
    expected = SCALE * kernel_of(cores[0], a, b) * kernel_of(cores[1], c, d)
    assert_delta(Hadamard(((a, b), (c, d)), cores, SCALE), rand(OUT, IN, *KERNEL), expected)


@pytest.mark.parametrize("kernel", [(), KERNEL])
@pytest.mark.parametrize("first", ["whole", "product"])
@pytest.mark.parametrize("second", ["whole", "product", "tucker"])
def test_lokr_is_the_kronecker_product(kernel: tuple[int, ...], first: str, second: str) -> None:
    if second == "tucker" and not kernel:
        pytest.skip("a linear layer has no kernel")
    one = (rand(2, 2),) if first == "whole" else (rand(2, RANK), rand(RANK, 2))
    core = rand(RANK, RANK, *KERNEL) if second == "tucker" else None
    columns = 2 * int(np.prod(kernel, dtype=int))
    other = {
        "whole": (rand(3, 2, *kernel),),
        "product": (rand(3, RANK), rand(RANK, columns)),
        "tucker": (rand(RANK, 3), rand(RANK, 2)),
    }[second]
    a = (one[0] if len(one) == 1 else one[0] @ one[1]).double().numpy()
    if core is not None:
        b = kernel_of(core, *other)
    else:
        b = (other[0] if len(other) == 1 else other[0] @ other[1]).double().numpy().reshape(3, 2, *kernel)
    expected = np.zeros((OUT, IN, *kernel))
    for i in range(2):
        for j in range(2):
            expected[3 * i : 3 * i + 3, 2 * j : 2 * j + 2] = SCALE * a[i, j] * b
    assert_delta(Kronecker(one, other, core, SCALE), rand(OUT, IN, *kernel), expected)


@pytest.mark.parametrize("kernel", [(), KERNEL])
@pytest.mark.parametrize("of_inputs", [False, True])
def test_dora_gives_the_changed_weights_lengths_that_were_learned(
    kernel: tuple[int, ...], of_inputs: bool
) -> None:
    weight = rand(OUT, IN, *kernel)
    ones = [1 for _ in kernel]
    change = LowRank(rand(RANK, IN, *kernel), rand(OUT, RANK, *ones), None, SCALE)
    magnitude = rand(IN if of_inputs else OUT).abs() + 0.5
    changed = (weight + change.delta(weight)).double().numpy()
    expected = np.empty_like(changed)
    for i, length in enumerate(magnitude.double().numpy()):
        part = (slice(None), i) if of_inputs else (i,)
        expected[part] = changed[part] / np.sqrt((changed[part] ** 2).sum()) * length
    expected -= weight.double().numpy()
    assert_delta(Decomposed(change, magnitude, of_inputs), weight, expected)


def test_dora_whose_lengths_are_the_weights_own_changes_nothing() -> None:
    weight = rand(OUT, IN)
    none = LowRank(torch.zeros(RANK, IN), torch.zeros(OUT, RANK), None, SCALE)
    change = Decomposed(none, torch.linalg.vector_norm(weight, dim=1), of_inputs=False)
    assert change.delta(weight).abs().max() < 1e-6


def test_biases_of_both_factors_shift_the_layers_own() -> None:
    x, up, down = rand(3, IN), rand(OUT, RANK), rand(RANK, IN)
    a, b, bias = rand(RANK), rand(OUT), rand(OUT) + 1
    expected = x @ torch.zeros(IN, OUT) + bias + SCALE * ((x @ down.T + a) @ up.T + b)
    delta = LowRank(down, up, None, SCALE).delta(torch.zeros(OUT, IN))
    shifted = bias + BiasShift(up, a, b, SCALE).delta(bias)
    torch.testing.assert_close(x @ delta.T + shifted, expected)


@pytest.mark.parametrize(
    "change",
    [
        Hadamard(((rand(OUT, 2), rand(3, IN)), (rand(OUT, 2), rand(2, IN))), None, 1.0),
        Hadamard(((rand(OUT, 2), rand(2, IN)), (rand(OUT + 1, 2), rand(2, IN))), None, 1.0),
        Hadamard(((rand(OUT), rand(2, IN)), (rand(OUT, 2), rand(2, IN))), None, 1.0),
        Kronecker((rand(2, 2),), (rand(4, 2),), None, 1.0),
        Kronecker((rand(2, 2, 1),), (rand(3, 2),), None, 1.0),
        Kronecker((rand(2, 2), rand(3, 2)), (rand(3, 2),), None, 1.0),
        Decomposed(LowRank(rand(RANK, IN), rand(OUT, RANK), None, 1.0), rand(OUT + 1), of_inputs=False),
        BiasShift(rand(OUT, RANK), rand(RANK + 1), None, 1.0),
    ],
)
def test_factors_that_do_not_fit_are_found_by_their_shapes_alone(change: object) -> None:
    assert not fits(change, (OUT, IN))
