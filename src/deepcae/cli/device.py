"""Where a command computes: the device it was told, or the best one there is, and the number of threads."""

from __future__ import annotations

from ..errors import DataError


def choose_device(name: str, threads: int | None = None) -> str:
    """`auto`: a CUDA device if there is one, else the CPU. DataError for one that this machine lacks."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    kind, _, number = name.lower().partition(":")
    if kind == "auto" and not number:
        return _exact("cuda") if torch.cuda.is_available() else "cpu"
    if kind == "cpu" and not number:
        return "cpu"
    if kind == "mps" and not number:
        if not torch.backends.mps.is_available():
            raise DataError("device mps: this machine has none; use --device auto or cpu")
        return "mps"
    if kind == "cuda" and (not number or number.isdigit()):
        return _cuda(name.lower(), number)
    if kind == "cuda" and "," in number:
        raise DataError(f"device {name}: one GPU is used at a time; give one number")
    raise DataError(f"device {name!r} is unknown; use auto, cpu, cuda, cuda:N or mps")


def _cuda(name: str, number: str) -> str:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise DataError(
            f"device {name}: this machine (or this build of torch) has no CUDA GPU; leave out --device (Caffe's -gpu)"
        )
    if number and int(number) >= count:
        raise DataError(f"device {name}: there are {count} GPU(s), numbered from 0")
    return _exact(name)


def _exact(name: str) -> str:
    """The device, its float32 products in full: without this, convolutions round their operands (tf32)."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    return name
