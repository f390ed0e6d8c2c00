"""deepcae: deep convolutional auto-encoders from Caffe text files, on PyTorch."""
