"""How weights move: the training loop in Caffe's order, its updates and rates, snapshots, logs and run directories."""
