"""The words of Caffe's older syntaxes and what they are called today (pure tables).

V0 (2013): `layers { layer { type: "conv" num_output: 4 kernelsize: 3 ... } bottom: ... }`.
V1 (2014, and the 2015 fork with Unpooling): `layers { type: CONVOLUTION blobs_lr: 1 ... }`.
"""

from __future__ import annotations

LAYER_TYPES = {
    "NONE": "", "ABSVAL": "AbsVal", "ACCURACY": "Accuracy", "ARGMAX": "ArgMax", "BNLL": "BNLL", "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss", "CONVOLUTION": "Convolution", "DATA": "Data",
    "DECONVOLUTION": "Deconvolution", "DROPOUT": "Dropout", "DUMMY_DATA": "DummyData",
    "EUCLIDEAN_LOSS": "EuclideanLoss", "ELTWISE": "Eltwise", "EXP": "Exp", "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output", "HINGE_LOSS": "HingeLoss", "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData", "INFOGAIN_LOSS": "InfogainLoss", "INNER_PRODUCT": "InnerProduct", "LRN": "LRN",
    "MEMORY_DATA": "MemoryData", "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss", "MVN": "MVN",
    "POOLING": "Pooling", "POWER": "Power", "RELU": "ReLU", "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss", "SILENCE": "Silence", "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss", "SPLIT": "Split", "SLICE": "Slice", "TANH": "TanH", "WINDOW_DATA": "WindowData",
    "THRESHOLD": "Threshold",
    # the 2015 fork's; those after BN are its segmentation layers, of which only the names are known here
    "CROP": "Crop", "UNPOOLING": "Unpooling", "UPSAMPLE": "Upsample", "BN": "BN", "ELTWISE_ACCURACY": "EltwiseAccuracy",
    "RED_SOFTMAX_LOSS": "RedSoftmaxLoss", "RED_ACCURACY": "RedAccuracy", "IMAGE_SEG_DATA": "ImageSegData",
    "WINDOW_SEG_DATA": "WindowSegData", "WINDOW_INST_SEG_DATA": "WindowInstSegData", "BIN_ACCURACY": "BinAccuracy",
    "WINDOW_CLS_DATA": "WindowClsData", "WINDOW_SEG_BINARY": "WindowSegBinary", "SELECT_SEG_BINARY": "SelectSegBinary",
    "DROPOUT_CHANNEL": "DropoutChannel",
}  # fmt: skip

SOLVER_TYPES = {
    "SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp", "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}  # fmt: skip

V0_TYPES = {
    "accuracy": "ACCURACY", "bnll": "BNLL", "concat": "CONCAT", "conv": "CONVOLUTION", "data": "DATA",
    "dropout": "DROPOUT", "euclidean_loss": "EUCLIDEAN_LOSS", "flatten": "FLATTEN", "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT", "im2col": "IM2COL", "images": "IMAGE_DATA", "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT", "lrn": "LRN", "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING", "relu": "RELU", "sigmoid": "SIGMOID", "softmax": "SOFTMAX", "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT", "tanh": "TANH", "window_data": "WINDOW_DATA",
}  # fmt: skip

_PARAMS = {
    "conv": "convolution_param", "innerproduct": "inner_product_param", "pool": "pooling_param", "lrn": "lrn_param",
    "dropout": "dropout_param", "data": "data_param", "hdf5_data": "hdf5_data_param", "images": "image_data_param",
    "window_data": "window_data_param", "concat": "concat_param",
}  # fmt: skip
_V0_MOVES = {  # V0 field: (today's field, the V0 types that have it)
    "num_output": ("num_output", "conv innerproduct"), "biasterm": ("bias_term", "conv innerproduct"),
    "weight_filler": ("weight_filler", "conv innerproduct"), "bias_filler": ("bias_filler", "conv innerproduct"),
    "pad": ("pad", "conv pool"), "kernelsize": ("kernel_size", "conv pool"), "stride": ("stride", "conv pool"),
    "group": ("group", "conv"), "pool": ("pool", "pool"), "dropout_ratio": ("dropout_ratio", "dropout"),
    "local_size": ("local_size", "lrn"), "alpha": ("alpha", "lrn"), "beta": ("beta", "lrn"), "k": ("k", "lrn"),
    "source": ("source", "data hdf5_data images window_data"),
    "batchsize": ("batch_size", "data hdf5_data images window_data"),
    "rand_skip": ("rand_skip", "data images"), "shuffle_images": ("shuffle", "images"),
    "new_height": ("new_height", "images"), "new_width": ("new_width", "images"),
    "concat_dim": ("concat_dim", "concat"),
    "det_fg_threshold": ("fg_threshold", "window_data"), "det_bg_threshold": ("bg_threshold", "window_data"),
    "det_fg_fraction": ("fg_fraction", "window_data"), "det_context_pad": ("context_pad", "window_data"),
    "det_crop_mode": ("crop_mode", "window_data"),
}  # fmt: skip
_V0_TRANSFORM = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}


def v0_target(field: str, layer_type: str) -> tuple[str, ...] | None:
    """Where a V0 setting goes in a V1 layer: `("convolution_param", "kernel_size")`; None: the type has none such."""
    if field in ("name", "blobs", "blobs_lr", "weight_decay"):
        return (field,)
    if field in _V0_TRANSFORM:
        return "transform_param", _V0_TRANSFORM[field]
    if field == "hdf5_output_param":
        return (field,) if layer_type == "hdf5_output" else None
    new, types = _V0_MOVES.get(field, ("", ""))
    return (_PARAMS[layer_type], new) if layer_type in types.split() else None
