"""A page that looks into a trained network, live: codes, layers, drawing, decoding, training, the network's text."""
