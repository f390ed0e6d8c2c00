"""What a trained net makes of a recording, laid back where it comes from: maps, curves over time, restored stacks."""
