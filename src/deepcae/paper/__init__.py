"""Does it reproduce the paper? Its tables and figures as experiments, their results kept, and a verdict on each."""
