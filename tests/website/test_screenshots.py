"""The command that makes pictures: of the pages that exist, small enough to be committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from app.blueprints.readme.services import rendering
from app.config import ROOT
from scripts.pictures.cli import README_FOLDER, README_PICTURES
from scripts.pictures.pages import PAGES

COMMAND = (sys.executable, str(ROOT / "scripts" / "screenshots"))


def test_the_readme_shows_its_pictures_and_they_are_small():
    files = [README_FOLDER / f"{name}-{look}.png" for name, look in README_PICTURES]
    body = rendering.rendered("").body

    assert sum(file.stat().st_size for file in files) < 2**20
    for file in files:
        assert f'src="/static/screenshots/{file.name}"' in body
    assert sorted(README_FOLDER.glob("*")) == sorted(files)


def test_each_page_has_a_name_of_its_own():
    assert len({page.name for page in PAGES}) == len(PAGES)


def test_an_unknown_page_is_refused_with_the_names_of_those_that_are_known(tmp_path):
    done = subprocess.run(
        [*COMMAND, str(tmp_path), "--only", "nothing"], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert "dashboard" in done.stderr


@pytest.mark.slow
@pytest.mark.browser
def test_it_makes_a_picture_for_every_way_to_look_at_a_page(tmp_path: Path):
    done = subprocess.run(
        [*COMMAND, str(tmp_path), "--only", "sockets"], capture_output=True, text=True, timeout=110
    )

    assert done.returncode == 0, done.stderr
    files = sorted(tmp_path.glob("*.png"))
    assert [str(file) for file in files] == sorted(done.stdout.split())
    assert len(files) == 8
    sizes = {Image.open(file).size for file in files}
    assert sizes == {(1280, 860), (390, 844)}
    assert len({file.read_bytes() for file in files}) == 8
