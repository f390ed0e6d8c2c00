"""How fast the page of `deepcae explore` is in a browser without a GPU.

    python benchmarks/explorer.py RUN [--points 100000 1000000]

Opens the page of a run in headless Chromium at 1440 x 900 and prints, in milliseconds by the page's own clocks: the
first paint; from the pointer's move to the card of an image; and, for so many drawn points in place of the run's, what
the points of a frame take, and from one frame to the next while the map is dragged. A machine that computes beside it
makes all of them longer.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
from playwright.sync_api import Page, Route, sync_playwright

from deepcae.explore.wire import packed

CLASSES = 10
DRAG = """() => new Promise((done) => {
  const plot = document.querySelector('.plot');
  let at = 0;
  const move = () => {
    plot.dispatchEvent(new PointerEvent('pointermove', { clientX: 500 + 2 * at, clientY: 400 + at, pointerId: 1 }));
    if (++at < 150) requestAnimationFrame(move); else done();
  };
  requestAnimationFrame(move);
})"""


def told(times: list[float]) -> str:
    """The median and the slowest twentieth."""
    if not times:
        return "none"
    return f"median {np.median(times):.1f}, 95 % below {np.quantile(times, 0.95):.1f}, least {min(times):.1f}"


def points(page: Page, count: int) -> None:
    """The page is told of so many points: ten clouds, a class each."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, CLASSES, count).astype(np.int32)
    middles = 3 * rng.normal(size=(CLASSES, 2))
    xy = (middles[classes] + rng.normal(size=(count, 2)) * 0.6).astype(np.float32)

    def about(route: Route) -> None:
        route.fulfill(json={**route.fetch().json(), "count": count})

    def answer(header: dict[str, Any], **arrays: np.ndarray) -> Any:
        body = packed(header, arrays)
        return lambda route: route.fulfill(body=body, content_type="application/octet-stream")

    page.route("**/api/about", about)
    page.route("**/api/points*", answer({"axes": ["x", "y"]}, xy=xy))
    page.route("**/api/column*", answer({"names": [str(each) for each in range(CLASSES)]}, values=classes))


def opened(browser: Any, address: str, count: int | None = None) -> Page:
    page: Page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    if count is not None:
        points(page, count)
    page.goto(address)
    page.wait_for_selector(".below > *", timeout=120_000)
    page.wait_for_timeout(2000)
    return page


def hovers(page: Page) -> list[float]:
    box = page.locator(".plot").bounding_box()
    assert box is not None
    page.evaluate("deepcae.reset()")
    for at in range(60):
        page.mouse.move(box["x"] + box["width"] * (0.3 + 0.4 * at / 60), box["y"] + box["height"] * (0.5 + 0.003 * at))
        page.wait_for_timeout(120)
    times: list[float] = page.evaluate("deepcae.hovers")
    return times


def dragged(page: Page) -> tuple[list[float], list[float]]:
    """What the points of a frame take, and from frame to frame, while the map is dragged."""
    page.mouse.move(500, 400)
    page.mouse.down()
    page.evaluate("deepcae.reset()")
    page.evaluate(DRAG)
    return page.evaluate("deepcae.draws"), page.evaluate("deepcae.frames")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--points", type=int, nargs="*", default=[100_000, 1_000_000])
    asked = parser.parse_args()
    command = [sys.executable, "-m", "deepcae", "explore", asked.run, "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as play:
        assert server.stdout is not None
        address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
        try:
            flags = ["--no-sandbox", "--disable-gpu"]
            browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
            page = opened(browser, address)
            paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            print(f"first paint: {paint:.0f} ms")
            print(f"from pointer to card: {told(hovers(page))} ms")
            for count in asked.points:
                draws, frames = dragged(opened(browser, address, count))
                print(f"{count} points: to draw {told(draws)}; from frame to frame {told(frames)} ms")
            browser.close()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
