"""axe-core finds nothing serious in any view, light and dark, wide and small."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[2] / "src" / "deepcae" / "explore" / "web"
ALL = ("codes", "layers", "draw", "decode", "training", "network")
VIEWS = [view for view in ALL if (WEB / "js" / f"{view}.js").exists()]


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core's own text."""
    if not (modules := os.environ.get("DEEPCAE_NODE_MODULES")):
        pytest.skip("DEEPCAE_NODE_MODULES names no folder of npm packages, and axe-core is one")
    return (Path(modules) / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious(page: Any, axe: str, view: str) -> None:
    page.evaluate(f"location.hash = '{view}'")
    page.wait_for_selector(f"main.{view}")
    page.wait_for_timeout(1500)
    page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe})  # past the page's policy
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for size in ((1440, 900), (390, 844)):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.wait_for_timeout(200)
            told = page.evaluate("axe.run().then(({ violations }) => violations)")
            worst = [each for each in told if each["impact"] in ("serious", "critical")]
            found += [(scheme, size, each["id"], each["nodes"][0]["html"][:200]) for each in worst]
    assert found == []
