"""Whether matplotlib may be loaded: it reads `matplotlibrc` of the working directory, and would wait for a pipe."""

from __future__ import annotations

import os

from ..errors import DataError
from ..inplace import why_no_file

SETTINGS = "matplotlibrc"

if os.path.exists(SETTINGS) and not os.path.isdir(SETTINGS) and (why := why_no_file(SETTINGS)):
    raise DataError(f"{os.path.abspath(SETTINGS)}: {why}; matplotlib would read it: remove it")
