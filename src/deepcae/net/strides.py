"""Whether the convolutions of a net that have a stride are the compiled core's: one choice for the whole net.

The core has the batch innermost in memory, PyTorch's convolutions have the channels there, and blobs are turned between
the two. Where many of a net's products are PyTorch's, its strided convolutions are better left to PyTorch, too.

Measured on an AMD EPYC (Zen 3) by `benchmarks/strides.py`, batch 100, ms of a training step with the strided ones in
the core and by PyTorch, one thread; two threads. All in the core: 3×3 and 2×2 of up to 32 maps 7.9, 20.5; 7.3, 20.4, of
up to 64 maps 72, 80; 50, 72; the designs for 1×28×28 24, 44; 24, 42, and for 3×64×64 67, 111; 60, 107. But where 0.44
of the products are PyTorch's anyway 354, 326; 241, 236 (3×3 down, 4×4 up) and 430, 398; 287, 298 (4×4), and where 0.68
are (the residual net) 305, 290; 257, 236.
"""

from __future__ import annotations

from .plan import Plan


def choose_strides(plan: Plan) -> dict[str, int]:
    """Sets `strides` of a plan's convolutions. The products of numbers in a pass by each algorithm of `kernels.choice`.

    The core gets the strided ones if they make twice as many products or more as those that are PyTorch's anyway.
    """
    without = products_by_algorithm(plan, False)
    products = products_by_algorithm(plan, True)
    if 2 * products.get("torch", 0) <= products.get("core", 0) - without.get("core", 0):
        return products
    return products_by_algorithm(plan, False)


def products_by_algorithm(plan: Plan, strides: bool) -> dict[str, int]:
    """Sets `strides` of all convolutions, and counts."""
    found: dict[str, int] = {}
    for step in plan.steps:
        layer = step.layer
        shapes = [shape for shape in map(plan.shapes.get, step.bottoms) if shape is not None]
        if layer is None or not layer.convolves or len(shapes) < len(step.bottoms):
            continue
        layer.strides = strides
        algorithm = layer.algorithm(shapes, plain=True)
        found[algorithm] = found.get(algorithm, 0) + layer.multiplications(shapes)
    return found
