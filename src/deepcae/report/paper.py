"""What the paper reached: losses of three runs on MNIST and its count of classes by eye (Tables I and IV)."""

from __future__ import annotations

from dataclasses import dataclass

LOSSES = ("cross_entropy_loss", "l2_error")
RUNS, CLASSES = 3, 30
TEST_IMAGES = 10_000  # MNIST's; other data cannot be compared

# (network, N): (train cross-entropy, train Euclidean, test cross-entropy, test Euclidean) of each run; classes of 30
_TABLES: dict[tuple[str, int], tuple[tuple[tuple[float, float, float, float], ...], int]] = {
    ("classic-300", 2): (
        ((150.67, 17.40, 156.15, 18.12), (150.45, 17.40, 159.97, 18.85), (148.21, 17.02, 157.87, 18.15)), 14),
    ("classic-300", 10): (
        ((110.50, 10.14, 113.60, 10.56), (108.04, 9.75, 112.22, 10.15), (113.24, 10.64, 116.13, 11.00)), 22),
    ("classic-300", 30): (
        ((107.03, 9.56, 110.76, 10.03), (106.44, 9.38, 110.25, 9.92), (104.26, 9.09, 107.64, 9.51)), 26),
    ("classic-500", 2): (
        ((147.55, 16.75, 152.79, 17.44), (146.48, 16.70, 155.13, 17.97), (144.91, 16.43, 153.05, 17.56)), 17),
    ("classic-500", 10): (
        ((105.97, 9.39, 109.39, 9.85), (103.69, 8.99, 106.32, 9.35), (103.59, 9.05, 106.45, 9.36)), 23),
    ("classic-500", 30): (
        ((93.55, 7.34, 95.66, 7.51), (94.38, 7.45, 97.18, 7.76), (90.60, 6.82, 93.06, 7.08)), 25),
    ("classic-1000", 2): (
        ((142.99, 16.08, 152.02, 17.40), (143.33, 16.15, 152.68, 17.53), (147.90, 16.85, 151.33, 17.20)), 21),
    ("classic-1000", 10): (
        ((105.68, 9.36, 109.05, 9.80), (102.25, 8.85, 105.16, 9.15), (107.80, 9.74, 111.04, 10.16)), 25),
    ("classic-1000", 30): (
        ((89.51, 6.64, 91.75, 6.87), (92.91, 7.23, 95.75, 7.53), (97.33, 7.94, 99.82, 8.20)), 27),
    ("classic-2000", 2): (
        ((152.25, 17.54, 161.82, 18.98), (202.58, 26.01, 205.81, 26.44), (202.58, 26.01, 205.80, 26.44)), 5),
    ("classic-2000", 10): (
        ((130.65, 13.62, 136.55, 14.44), (139.03, 15.33, 148.95, 16.85), (201.60, 25.83, 204.91, 26.28)), 12),
    ("classic-2000", 30): (
        ((129.13, 13.39, 134.96, 14.17), (157.92, 18.44, 166.55, 19.80), (129.75, 13.54, 135.23, 14.25)), 16),
    ("classic-3000", 2): (
        ((202.64, 26.03, 205.80, 26.44), (202.64, 26.03, 205.80, 26.44), (202.64, 26.03, 205.80, 26.44)), 3),
    ("classic-3000", 10): (
        ((202.64, 26.03, 205.81, 26.44), (202.58, 26.03, 205.75, 26.43), (202.66, 26.03, 205.82, 26.44)), 7),
    ("classic-3000", 30): (
        ((200.96, 25.70, 204.28, 26.16), (202.64, 26.03, 205.80, 26.44), (202.64, 26.03, 205.80, 26.44)), 15),
    ("cae1", 2): (
        ((152.68, 17.95, 159.47, 18.71), (151.83, 17.61, 160.10, 18.76), (156.65, 18.46, 159.76, 18.66)), 20),
    ("cae1", 10): (
        ((105.14, 9.33, 109.58, 9.88), (107.86, 9.72, 111.80, 10.24), (109.37, 9.91, 113.43, 10.39)), 26),
    ("cae1", 30): (
        ((94.53, 7.37, 98.39, 7.78), (96.02, 7.57, 98.18, 7.76), (93.58, 7.14, 96.80, 7.53)), 26),
    ("cae2", 2): (
        ((142.50, 15.93, 148.74, 16.85), (143.50, 16.20, 148.33, 16.72), (143.16, 16.17, 149.68, 16.99)), 22),
    ("cae2", 10): (
        ((90.72, 6.93, 93.12, 7.15), (91.34, 7.04, 93.20, 7.19), (93.27, 7.35, 94.91, 7.42)), 26),
    ("cae2", 30): (
        ((71.38, 3.82, 72.52, 3.86), (70.54, 3.66, 71.65, 3.69), (71.82, 3.88, 73.65, 4.00)), 26),
}  # fmt: skip


@dataclass(frozen=True)
class Reached:
    """Means of the paper's three runs by loss blob, and its classes "correctly classified", of 30."""

    train: dict[str, float]
    test: dict[str, float]
    classes: int


def reached(network: str, dims: int, num_images: int) -> Reached | None:
    """The paper's result for a network of the zoo with N = `dims`; None where it has none, or for other test data."""
    if (network, dims) not in _TABLES or num_images != TEST_IMAGES:
        return None
    runs, classes = _TABLES[network, dims]
    means = [sum(column) / RUNS for column in zip(*runs, strict=True)]
    return Reached(dict(zip(LOSSES, means[:2], strict=True)), dict(zip(LOSSES, means[2:], strict=True)), classes)
