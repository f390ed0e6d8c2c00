"""How a designed auto-encoder is trained: rate, iterations and tests, chosen by the data.

Measured on many kinds of images: docs/15-design.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .design import Design
from .streams import WholeTest, whole_test

START = "start.caffemodel"
RATE, AT = 0.01, 784  # of images of so many values; it falls with the fourth root of their number
ALONE = 1.2  # of that rate, without a linear way
MUON = """\
type: "Muon"  # of deepcae alone: for Caffe write "Adam"
momentum: 0.95"""
ADAM = """\
type: "Adam"
momentum: 0.9
momentum2: 0.999"""
PLAIN_RATE, PLAIN_COURSE = 0.003, (5000, 500)  # iterations, and those between two tests
EPOCHS = 60
LEAST, MOST = 500, 10_000  # iterations
VALUES = 2e9  # that the net is shown in all, at most, unless that makes less than LEAST / 5 iterations
TESTS = 40  # where they cost little
SHARE = 0.5  # test images, of the training images between two tests, at most
FEWEST = 10  # tests, all the same
PATIENCE = 12
GAIN = 0.01  # of PCA's error, by which a test has to be better before PCA gives way
BATCHES = 20  # of a test, at least: they tell by how much its loss depends on chance
UNKNOWN = 10_000  # training images, where nobody has counted them
TRIAL, SHORTEST, LONGEST = 0.05, 150, 400  # of a training's iterations, after which one design is taken of two

SHARE_OF_TRIALS = 1 / 3  # of a training, at most


class Way(Enum):
    """How a network is designed: beside a linear way that starts as PCA, without one, for maps, or as the paper's."""

    BESIDE = 1
    ALONE = 2
    MAP = 3  # without one, too; its codes keep neighbours
    PLAIN = 4


@dataclass(frozen=True)
class Course:
    """`patience`: tests; 0: none."""

    rate: float
    iterations: int
    interval: int
    patience: int


def course(plan: Design, test: WholeTest, num_images: int | None, batch: int) -> Course:
    """As many passes over the data as small sets need, and no more iterations than large ones and large images do."""
    size = plan.image.elements
    most = min(MOST, max(LEAST // 5, int(VALUES / (batch * size))))
    iterations = min(max(LEAST, EPOCHS * (num_images or UNKNOWN) // batch), most)
    costly = test.iterations * test.batch / (SHARE * batch)
    interval = max(1, round(min(max(iterations / TESTS, costly), iterations / FEWEST)))
    whole = -(-iterations // interval) * interval  # it ends with a test
    return Course(float(f"{RATE * (AT / size) ** 0.25:.2g}"), whole, interval, PATIENCE)


def pass_over(num_images: int, batch: int, whole: bool = False) -> WholeTest:
    """A test of so many images, in batches as large as those of the training, or smaller, if that makes too few.

    `whole`: as large as those of the training, as for a loss that looks for neighbours within a batch.
    """
    return whole_test(num_images, batch if whole else max(1, min(batch, num_images // BATCHES)))


def trial(iterations: int) -> int:
    """Iterations after which two designs are compared, of a training of so many; 0: it is too short for that."""
    length = min(max(SHORTEST, int(TRIAL * iterations)), LONGEST)
    return length if 2 * length <= SHARE_OF_TRIALS * iterations else 0


def trial_within(length: int, seconds: float, pace: float) -> int:
    """Iterations of such a comparison that takes at most these seconds, `pace` for each; 0: there is no time for it."""
    if 2 * length * pace <= seconds:
        return length
    most = int(seconds / (2 * pace))
    return most if most >= SHORTEST else 0


def solver_text(plan: Design, test: WholeTest, way: Way, num_images: int | None, batch: int) -> str:
    """Muon, or Adam for maps and the paper's design; the rate falls to 0 in a straight line."""
    plain = way is Way.PLAIN
    chosen = Course(PLAIN_RATE, *PLAIN_COURSE, 0) if plain else course(plan, test, num_images, batch)
    rate = chosen.rate * (ALONE if way is Way.ALONE else 1)
    start = "" if plain else f'weights: "{START}"  # {_STARTS[way]}\n'
    gain = f"best_gain: {GAIN:g}  # by which it has to be better than PCA, and by a standard error; as the line above\n"
    patience = f"patience: {chosen.patience}  # tests without a better one, then it ends; as the line above\n"
    return f"""\
# Auto-encoder for {"images" if len(plan.given) == 3 else "rows"} of {plan.shape} with {plan.dims} code neurons.
# The losses are sums over pixels, so they and their gradients grow with the image; the steps do not. The rate falls
# to 0 in a straight line.
net: "net.prototxt"
{start}{ADAM if plain or way is Way.MAP else MUON}
base_lr: {rate:.2g}
lr_policy: "poly"
power: 1
max_iter: {chosen.iterations}

test_iter: {test.iterations}
test_interval: {chosen.interval}
test_compute_loss: true
display: {100 if plain else min(100, chosen.interval)}
snapshot: {max(1, chosen.iterations // 2)}
snapshot_prefix: "design"
snapshot_best: true  # the best test's, beside them; of deepcae alone: Caffe needs this line taken out
{gain if way is Way.BESIDE else ""}{patience if chosen.patience else ""}"""


_STARTS = {
    Way.BESIDE: "of the linear layers: the training images' PCA",
    Way.ALONE: "the images' mean, and what was learned in a race",
    Way.MAP: "the images' mean",
}
