"""Builds the compiled kernels, where there is a compiler; without them the package works all the same, but slower.

The rest is in pyproject.toml, which cannot say that the compilers of Windows take other options than all others.
"""

from __future__ import annotations

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = "src/deepcae/kernels/core"


class BuildCore(build_ext):
    """A plain shared library: no Python in it, and none of its symbols but the exported ones."""

    def build_extension(self, ext: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args = ["/O2", "/std:c++17"]
        else:
            ext.extra_compile_args = [
                "-O3",
                "-g0",
                "-std=c++17",
                "-fvisibility=hidden",
                "-Wno-psabi",
                "-Wno-unknown-pragmas",
            ]
        super().build_extension(ext)

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return []  # not PyInit_…, which an extension module would have


setup(
    ext_modules=[
        Extension(
            "deepcae.kernels._core",
            sources=[f"{CORE}/core.cpp"],
            depends=[f"{CORE}/kernels.inc"],
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildCore},
)
