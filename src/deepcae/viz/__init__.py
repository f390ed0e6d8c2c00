"""Pictures: arrays in, a matplotlib `Figure` out; `save` writes it so that equal data give equal bytes."""

from . import allowed as allowed
from .curves import loss_curves
from .decoder import code_plane, grid_codes
from .filters import filters
from .gallery import gallery
from .layers import layer_panels
from .reconstruct import reconstructions
from .scatter import scatter
from .style import save

__all__ = [
    "code_plane", "filters", "gallery", "grid_codes", "layer_panels", "loss_curves", "reconstructions", "save",
    "scatter",
]  # fmt: skip
