"""How a designed auto-encoder is trained: the solver's text, its iterations and tests chosen by the data."""

from __future__ import annotations

from .design import Design
from .streams import Passes

START = "start.caffemodel"
PLAIN = (5000, 500)  # iterations of the plain design, and between two tests
EPOCHS = 60
LEAST, MOST = 500, 10_000  # iterations


def solver_text(plan: Design, test: Passes, plain: bool, num_images: int | None, batch: int) -> str:
    """Adam, its rate falling to 0 in a straight line."""
    iterations, interval = PLAIN if plain else _course(num_images, batch)
    start = "" if plain else f'weights: "{START}"  # of the linear layers: the training images\' PCA\n'
    return f"""\
# Auto-encoder for {plan.shape} with {plan.dims} code neurons.
# The losses are sums over pixels, so they and their gradients grow with the image; Adam's steps do not, and one rate
# serves images of all sizes. It falls to 0 in a straight line.
net: "net.prototxt"
{start}type: "Adam"
base_lr: 0.003
lr_policy: "poly"
power: 1
momentum: 0.9
momentum2: 0.999
max_iter: {iterations}

test_iter: {test.iterations}
test_interval: {interval}
test_compute_loss: true
display: 100
snapshot: {max(1, iterations // 2)}
snapshot_prefix: "design"
snapshot_best: true  # the best test's, beside them; of deepcae alone: Caffe needs this line taken out
"""


def _course(num_images: int | None, batch: int) -> tuple[int, int]:
    """Iterations, and those between two tests."""
    iterations = max(LEAST, min(MOST, EPOCHS * (num_images or MOST * batch) // batch))
    return iterations, max(1, iterations // 40)
