"""Pictures: arrays in, a matplotlib `Figure` out; `save` writes it so that equal data give equal bytes."""

from . import allowed as allowed
from .curves import loss_curves
from .decoder import code_plane, grid_codes
from .filters import filters
from .gallery import gallery
from .layers import layer_panels
from .maps import before_and_after, maps_of_image
from .quantity import error_panels
from .reconstruct import reconstructions
from .scatter import scatter
from .style import save
from .thumbnails import image_rows, thumbnail_rows, thumbnails, traversal_codes, traversals
from .timeline import cluster_strip, timeline, unusual_images

__all__ = [
    "before_and_after", "cluster_strip", "code_plane", "error_panels", "filters", "gallery", "grid_codes",
    "image_rows", "layer_panels", "loss_curves", "maps_of_image", "reconstructions", "save", "scatter",
    "thumbnail_rows", "thumbnails", "timeline", "traversal_codes", "traversals", "unusual_images",
]  # fmt: skip
