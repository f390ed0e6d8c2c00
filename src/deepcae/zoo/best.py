"""Networks of ordinary parts that restore more than the paper's from as many code neurons: `zoo best --dims N`."""

from __future__ import annotations

from .streams import WholeTest
from .text import added, block, layer, net, noise, train_and_test, without_noise

NAME = "best"
MAPS = (16, 32)  # of the two convolutions, at width 1
WIDE, NARROW = 512, 256  # neurons of the two fully connected layers
MANY_DIMS = 20  # from here on the code is not what limits the network: it has twice as many maps and trains longer
FEW_DIMS = 3  # up to here the code is laid out under noise
ENERGY = 0.01  # weight of the code's energy, without which it would outgrow the noise
FADING = 0.2  # the rate of the noise's amplitude, of the net's: under Adam it falls from 1 to 0 within 8,000 iterations
FILLERS = ('weight_filler { type: "msra" }', 'bias_filler { type: "constant" }')
LINEAR = ('weight_filler { type: "xavier" }', 'bias_filler { type: "constant" }')


def default_width(dims: int) -> float:
    """The factor of the number of maps unless the caller gives one."""
    return 2.0 if dims >= MANY_DIMS else 1.0


def net_text(
    dims: int, train_list: str, test_list: str, batch: int, test: WholeTest, width: float | None = None
) -> str:
    """Two strided convolutions, two fully connected layers, a linear code of `dims` neurons, and back."""
    factor = default_width(dims) if width is None else width
    first, second = (max(1, round(maps * factor)) for maps in MAPS)
    header = f"""
Convolutional auto-encoder of ordinary parts, {dims} code neurons, width {factor:g} (models/best/README.md).
784-(14x14x{first})-(7x7x{second})-{WIDE}-{NARROW}-{dims}-{NARROW}-{WIDE}-(7x7x{second})-(14x14x{first})-784

    encode: data -> conv1 -> conv2 -> ip1encode -> ip2encode -> ip3encode (the code)
    decode: ip3decode -> ip2decode -> ip1decode -> deconv2 -> deconv1neur -> deconv1neursig (the restored image)
"""
    return net(NAME, header, [
        *train_and_test(train_list, batch, test_list, test.batch),
        *_filter("Convolution", "conv1", "data", first, "kernel_size: 5 stride: 2 pad: 2", f"(N, {first}, 14, 14)"),
        *_filter("Convolution", "conv2", "conv1elu", second, "kernel_size: 3 stride: 2 pad: 1", f"(N, {second}, 7, 7)"),
        *_neurons("ip1encode", "conv2elu", WIDE), *_neurons("ip2encode", "ip1encodeelu", NARROW),
        _inner_product("ip3encode", "ip2encodeelu", dims, LINEAR, "The code: linear, no activation."),
        *(_noisy(batch, dims) if dims <= FEW_DIMS else ()),
        *_neurons("ip3decode", "noisy" if dims <= FEW_DIMS else "ip3encode", NARROW),
        *_neurons("ip2decode", "ip3decodeelu", WIDE),
        *_neurons("ip1decode", "ip2decodeelu", second * 49),
        layer("reshape", "Reshape", ["ip1decodeelu"], ["ip1decodesh"],
              block("reshape_param", f"shape {{ dim: 0 dim: {second} dim: 7 dim: 7 }}"), note=f"(N, {second}, 7, 7)"),
        *_filter("Deconvolution", "deconv2", "ip1decodesh", first, "kernel_size: 4 stride: 2 pad: 1",
                 f"(N, {first}, 14, 14)"),
        layer("deconv1neur", "Deconvolution", ["deconv2elu"], ["deconv1neur"],
              block("convolution_param", "num_output: 1 kernel_size: 4 stride: 2 pad: 1", *LINEAR),
              note="(N, 1, 28, 28)"),
        layer("deconv1neursig", "Sigmoid", ["deconv1neur"], ["deconv1neursig"]),
        layer("l2_error", "EuclideanLoss", ["deconv1neursig", "data"], ["l2_error"],
              note="Half the squared distance per image: what is measured."),
    ])  # fmt: skip


def _noisy(batch: int, dims: int) -> tuple[str, ...]:
    """Noise on the code that the net learns to do without: while it is there, codes that are neighbours look alike."""
    training = "include { phase: TRAIN }"
    return (
        noise((batch, dims), 1, "phase: TRAIN", "Noise on the code, of an amplitude that is learned: it fades."),
        layer("amplitude", "Scale", ["noise"], ["amplitude"], [training, f"param {{ lr_mult: {FADING} }}",
              'scale_param { axis: 0 num_axes: 0 filler { type: "constant" value: 1 } }']),
        added(["ip3encode", "amplitude"], "noisy", "phase: TRAIN"),
        without_noise("ip3encode", "noisy", "phase: TEST"),
        layer("energy", "Reduction", ["ip3encode"], ["energy"], [training, f"loss_weight: {ENERGY}",
              f"reduction_param {{ operation: SUMSQ coeff: {1 / batch:g} }}"],
              note="Mean energy of a code, so that it does not outgrow the noise."),
    )  # fmt: skip


def _filter(kind: str, name: str, bottom: str, num_output: int, window: str, shape: str) -> tuple[str, str]:
    body = block("convolution_param", f"num_output: {num_output} {window}", *FILLERS)
    return layer(name, kind, [bottom], [name], body, note=shape), _elu(name)


def _neurons(name: str, bottom: str, num_output: int) -> tuple[str, str]:
    return _inner_product(name, bottom, num_output, FILLERS), _elu(name)


def _inner_product(name: str, bottom: str, num_output: int, fillers: tuple[str, str], note: str = "") -> str:
    return layer(
        name, "InnerProduct", [bottom], [name], block("inner_product_param", f"num_output: {num_output}", *fillers),
        note=note,
    )  # fmt: skip


def _elu(name: str) -> str:
    return layer(f"{name}elu", "ELU", [name], [f"{name}elu"])


def solver_text(dims: int, test: WholeTest) -> str:
    """Adam, its rate falling to 0 in a straight line."""
    iterations = 20_000 if dims >= MANY_DIMS else 12_000
    return f"""\
# Auto-encoder of ordinary parts: Adam, whose rate falls to 0 in a straight line, and the measured loss alone.
net: "net.prototxt"
type: "Adam"
base_lr: 0.001
lr_policy: "poly"
power: 1
momentum: 0.9
momentum2: 0.999
delta: 1e-8
max_iter: {iterations}

test_iter: {test.iterations}
test_interval: 1000
test_compute_loss: true
display: 100
snapshot: 2000
snapshot_prefix: "{NAME}"
snapshot_best: true  # the best test's, beside them; of deepcae alone: Caffe needs this line taken out
"""
