"""Builds the compiled kernels, where there is a compiler; without them the package works all the same, but slower.

The rest is in pyproject.toml, which cannot say that the compilers of Windows take other options than all others.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

CORE = "src/deepcae/kernels/core"


class BuildCore(build_ext):
    """A plain shared library: no Python in it, and none of its symbols but the exported ones."""

    def build_extension(self, ext: Extension) -> None:
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args = ["/O2", "/std:c++17", "/EHsc", "/MT"]  # /MT: needs no library beside it
        else:
            ext.extra_compile_args = [
                "-O3",
                "-g0",
                "-std=c++17",
                "-fvisibility=hidden",
                "-fno-math-errno",  # these two: so that conditions and roots become vectors
                "-fno-trapping-math",
                "-Wno-psabi",
                "-Wno-unknown-pragmas",
            ]
        if self.compiler.compiler_type == "mingw32":
            ext.extra_compile_args.append("-Wa,-muse-unaligned-vector-move")  # Windows aligns stacks to 16 bytes only
            ext.extra_link_args = ["-static"]
        super().build_extension(ext)

    def get_ext_filename(self, ext_name: str) -> str:
        """`_core.so` or `_core.pyd`: without the name of the Python that built it, as any can load it."""
        path = Path(super().get_ext_filename(ext_name))
        return str(path.with_name(path.name.split(".")[0] + path.suffix))

    def get_libraries(self, ext: Extension) -> list[str]:
        return []  # not Python's

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return []  # not PyInit_…, which an extension module would have


class AnyPython(bdist_wheel):
    """One wheel per platform, for every Python 3."""

    def get_tag(self) -> tuple[str, str, str]:
        return ("py3", "none", super().get_tag()[2])


setup(
    ext_modules=[
        Extension(
            "deepcae.kernels._core",
            sources=[f"{CORE}/core.cpp"],
            depends=sorted(str(path) for path in Path(CORE).glob("*.inc")),
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildCore, "bdist_wheel": AnyPython},
)
