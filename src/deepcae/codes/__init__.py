"""Codes: kept in files, measured, and laid out in the plane."""

from .embed import pca, tsne
from .files import load, save
from .judging import Judged, Part, Subject, judge
from .measure import Separation, classes_separated, knn_accuracy
from .table import Codes

__all__ = [
    "Codes",
    "Judged",
    "Part",
    "Separation",
    "Subject",
    "classes_separated",
    "judge",
    "knn_accuracy",
    "load",
    "pca",
    "save",
    "tsne",
]
