"""How well a simple classifier tells the classes from the codes: trained on training codes, judged on test codes."""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..errors import DataError
from .measure import finite_rows

LINEAR_STEPS = 1000  # of L-BFGS at most; MNIST codes need about a hundred
HIDDEN, BATCH = 128, 200  # units and codes of a step of the MLP
EPOCHS, STEPS = 20, 2000  # at least; fewer where its loss no longer falls


def linear_accuracy(
    codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray, *, seed: int = 0
) -> float:
    """accuracy = (1/M) * #{i : argmax_c (w_c . z_i + b_c) == label of i},  z = (code - mean) / deviation.

    w, b minimise the cross entropy of softmax(w z + b) over the training codes, plus |w|^2 / 2 (scikit-learn's
    LogisticRegression with C = 1); mean and deviation are those of the training codes. codes (N, ...), labels (N,);
    test_codes (M, ...), test_labels (M,). The error is 1 - accuracy.
    Source: the linear evaluation of learned codes, Coates, Ng and Lee 2011, section 3.3.
    """
    from sklearn.linear_model import LogisticRegression

    return _accuracy(
        LogisticRegression(max_iter=LINEAR_STEPS, random_state=seed), codes, labels, test_codes, test_labels
    )


def mlp_accuracy(
    codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray, *, seed: int = 0
) -> float:
    """accuracy as of `linear_accuracy`, by one hidden layer: softmax(V relu(W z + a) + b), 128 hidden units.

    Trained by Adam (rate 0.001, batches of 200) for 20 epochs, of few codes for 2,000 steps, or until its loss fell by
    less than 0.0001 in ten epochs (scikit-learn's MLPClassifier). `seed` draws the first weights and the order of the
    batches. Shapes as of `linear_accuracy`.
    Source: Rumelhart, Hinton and Williams 1986; Kingma and Ba 2015.
    """
    from sklearn.neural_network import MLPClassifier

    epochs = max(EPOCHS, math.ceil(STEPS / math.ceil(len(codes) / BATCH)))
    model = MLPClassifier((HIDDEN,), batch_size=min(BATCH, len(codes)), max_iter=epochs, random_state=seed)
    return _accuracy(model, codes, labels, test_codes, test_labels)


def _accuracy(
    model: object, codes: np.ndarray, labels: np.ndarray, test_codes: np.ndarray, test_labels: np.ndarray
) -> float:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names, classes = np.unique(np.asarray(labels).reshape(-1), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"a classifier needs two classes at least; all training codes are of class {names[0]}")
    rows, tested = finite_rows(codes), finite_rows(test_codes)
    if rows.shape[1] != tested.shape[1]:
        raise DataError(f"training codes have {rows.shape[1]} values each, test codes {tested.shape[1]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of steps is part of the measure
        guess = make_pipeline(StandardScaler(), model).fit(rows, classes).predict(tested)
    return float(np.mean(names[guess] == np.asarray(test_labels).reshape(-1)))
