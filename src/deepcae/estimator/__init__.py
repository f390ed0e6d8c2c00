"""scikit-learn's front door: auto-encoders as an estimator that takes arrays.

from deepcae import ConvAutoencoder

codes = ConvAutoencoder(n_components=2).fit_transform(images)
"""

from .autoencoder import ConvAutoencoder as ConvAutoencoder

__all__ = ["ConvAutoencoder"]
