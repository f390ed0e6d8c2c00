"""The denoising auto-encoder: noise is a layer of the text, and the losses compare with the image without it."""

from __future__ import annotations

from . import cae
from .streams import WholeTest
from .text import added, net, noise, train_and_test, without_noise

NAME = "cae2-denoising"
SPREAD = 0.5  # standard deviation of the noise; grey levels lie in 0..1
STAGE = "noisy"


def net_text(dims: int, train_list: str, test_list: str, batch: int, test: WholeTest) -> str:
    """CAE Model 2 that reads noisy images and restores clean ones; its code is that of cae2, name by name."""
    header = f"""
Denoising auto-encoder: "cae2" with {dims} code neurons, which reads image + noise and is to restore the image.

    data + noise -> noisy -> encoder -> ip2encode (the code) -> decoder -> deconv1neursig (the restored image)

Noise comes with training images, and with test images where the stage says "{STAGE}"; else noisy is the image itself.
"""
    return net(NAME, header, [
        *train_and_test(train_list, batch, test_list, test.batch),
        *_noise("phase: TRAIN", batch, f"Gaussian, standard deviation {SPREAD}, drawn anew for every batch"),
        *_noise(f'phase: TEST stage: "{STAGE}"', test.batch),
        without_noise("data", "noisy", f'phase: TEST not_stage: "{STAGE}"'),
        *cae.encoder("cae2", dims, "noisy"),
        *cae.decoder("cae2"),
        *cae.losses(),
    ])  # fmt: skip


def _noise(rule: str, batch: int, note: str = "") -> tuple[str, str]:
    return noise((batch, 1, 28, 28), SPREAD, rule, note), added(["data", "noise"], "noisy", rule)


def solver_text(test: WholeTest) -> str:
    """As cae2's, with two tests: on noisy images, then on clean ones."""
    about = "Denoising CAE Model 2, tested on noisy and on clean images"
    return cae.solver_text(NAME, test, about, [STAGE, "clean"])
