"""The command line of ``scripts/screenshots``."""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from app.config import ROOT
from scripts.pictures.demo import demo_site
from scripts.pictures.pages import PAGES, Page
from scripts.pictures.studio import LOOKS, Look, Studio, studio

# Where the README's pictures are: the site shows what lies here, too.
README_FOLDER = ROOT / "app" / "static" / "screenshots"
# The README's: page and look. Few and small: whoever reads it loads them all.
README_PICTURES = (
    ("dashboard", Look()),
    ("admin-chargers", Look(theme="dark")),
    ("map", Look(theme="dark", language="es")),
    ("my", Look("phone")),
    ("landing", Look("phone", "dark")),
    ("awg", Look("phone", language="es")),
)
# Colours of a picture: pages have few.
COLOURS = 64


def main() -> int:
    """Make the pictures and say where they are."""
    arguments = _parser().parse_args()
    wanted = list(_wanted(arguments.only, arguments.readme))
    if not wanted:
        print(f"There is no such page. Pages: {', '.join(page.name for page in PAGES)}", file=sys.stderr)
        return 2
    folder: Path = README_FOLDER if arguments.readme else arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="screenshots-") as site_folder,
        demo_site(Path(site_folder)) as site,
        studio(site.url) as eyes,
    ):
        for page, look in wanted:
            file = folder / f"{page.name}-{look}.png"
            file.write_bytes(picture(eyes, page, look, whole=arguments.whole))
            print(file)
    return 0


def picture(eyes: Studio, page: Page, look: Look, *, whole: bool = False) -> bytes:
    """A page as a compressed PNG: what fits the window, or the ``whole`` page."""
    eyes.show(page, look)
    taken = eyes.whole_page() if whole else eyes.browser.get_screenshot_as_png()
    out = io.BytesIO()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(
        out, "PNG", optimize=True
    )
    return out.getvalue()


def _wanted(only: Sequence[str], readme: bool) -> Iterator[tuple[Page, Look]]:
    pages = {page.name: page for page in PAGES if not only or page.name in only}
    looks = README_PICTURES if readme else [(name, look) for name in pages for look in LOOKS]
    return ((pages[name], look) for name, look in looks if name in pages)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/screenshots",
        description="Start the site in a folder of its own, with chargers that charge, and make pictures of "
        "its pages: on a desk and a phone, light and dark, in English and Spanish. "
        "Needs Chromium and what scripts/test installs.",
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("screenshots"), help="where they go")
    parser.add_argument("--only", nargs="+", default=[], metavar="PAGE", help="these pages alone")
    parser.add_argument("--whole", action="store_true", help="the whole page instead of what fits the window")
    parser.add_argument(
        "--readme", action="store_true", help="remake the README's, in app/static/screenshots"
    )
    return parser
