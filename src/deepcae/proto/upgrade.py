"""Older syntaxes to today's, in place."""

from __future__ import annotations

from .document import Document


def upgrade_net(document: Document) -> Document:
    return document


def upgrade_solver(document: Document) -> Document:
    return document


def upgrade(document: Document) -> Document:
    return document
