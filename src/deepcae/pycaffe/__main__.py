"""`python -m deepcae.pycaffe script.py [arguments]`: runs a script that says `import caffe`, as it stands.

The script finds what `python script.py` gives it: `sys.argv`, `__file__`, `__name__ == "__main__"`, its own folder
first on `sys.path`. With `python -P -m deepcae.pycaffe` no file of the working directory is imported on the way there.
"""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from ..alias import install

USAGE = (
    "usage: python -m deepcae.pycaffe script.py [arguments]\n\nRuns a script whose `import caffe` is deepcae.pycaffe."
)


def main(argv: Sequence[str]) -> int:
    """Runs argv[0] with the rest as its arguments; 2 if there is no such file."""
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if argv else sys.stderr)
        return 0 if argv else 2
    script = argv[0]
    if not os.path.isfile(script):
        print(f"python -m deepcae.pycaffe: {script}: there is no such file", file=sys.stderr)
        return 2
    install()
    sys.argv = list(argv)
    folder = os.path.dirname(os.path.realpath(script))
    sys.path[: 0 if sys.flags.safe_path else 1] = [folder]  # in place of the working directory, which -P leaves out
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
