"""Results of a trained net, laid back over the recording: maps, curves over time, restored stacks."""
