"""`python -m deepcae COMMAND ...` is `deepcae COMMAND ...`, for programs that start others so, such as torchrun.

Python puts the working directory first on `sys.path` then. It is taken out before anything else is imported, so that a
`numpy.py` beside somebody's data is not run. (`python -P -m deepcae` never has it there.)
"""

from __future__ import annotations

import sys

if not sys.flags.safe_path:
    del sys.path[0]

from deepcae.cli import main

sys.exit(main())
