"""A trained network at work: the parts its blobs play, the examples it is shown, and what it makes of them."""
