"""README.md is built from its parts, and is up to date."""

from __future__ import annotations

import re

import pytest

from app.blueprints import DOMAINS
from app.blueprints.readme.services import building, rendering
from app.config import ROOT


@pytest.fixture
def project(tmp_path):
    """A project with a base README and none of its parts."""
    (tmp_path / "README.base.md").write_text("# Project\n\n<!-- settings -->\n\n<!-- ocpp-matrix -->\n")
    return tmp_path


def write(project, domain: str, text: str) -> None:
    folder = project / "app" / "blueprints" / domain
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(text)


def test_the_combined_readme_is_up_to_date():
    assert (ROOT / "README.md").read_text() == building.build(), "run: flask build_readme"


def test_the_domains_follow_the_base_in_the_order_of_the_site_map(project):
    for domain in DOMAINS:
        write(project, domain, f"# About {domain}")

    headings = re.findall(r"^#+ .*$", building.build(project), re.MULTILINE)

    assert headings == ["# Project", *(f"## About {domain}" for domain in DOMAINS)]


def test_a_domain_without_a_readme_is_left_out(project):
    write(project, "chat", "# Chat")

    assert building.build(project).count("## ") == 1


def test_code_is_left_as_it_stands(project):
    write(project, "chat", "# Chat\n\n```bash\n# a comment\n[x](y.md)\n```\n\n## More")

    assert "\n```bash\n# a comment\n[x](y.md)\n```\n\n### More" in building.build(project)


def test_a_domains_links_hold_at_the_root(project):
    write(
        project, "chat", "[a](../ocpp/README.md#b) [c](#d) [e](https://example.com/) ![f](../../static/f.svg)"
    )

    assert (
        "[a](app/blueprints/ocpp/README.md#b) [c](#d) [e](https://example.com/) ![f](app/static/f.svg)"
        in (building.build(project))
    )


def test_every_link_of_the_readme_leads_somewhere():
    text = (ROOT / "README.md").read_text()
    anchors = {heading.anchor for heading in rendering.render(text).contents}
    for link in re.findall(r"\]\(([^)\s]+)", text):
        if link.startswith("#"):
            assert link[1:] in anchors
        elif not link.startswith("http"):
            path = link.partition("#")[0]
            assert (ROOT / path).exists()
            assert rendering.address(path), f"the site does not show {path}"


def test_a_test_named_after_a_point_is_in_the_matrix_with_its_cases(project):
    folder = project / "tests" / "ocpp"
    folder.mkdir(parents=True)
    (folder / "test_framing.py").write_text(
        '@mark("TC_003")\ndef test_b10_later(): ...\n\n\n'
        'def test_b2_an_unknown_action():\n    """TC_010, TC_064_CS."""\n\n\n'
        "class TestMore:\n    async def test_b2_a_second(self): ...\n\n\ndef test_not_a_point(): ...\n"
    )

    assert building.ocpp_matrix(folder).splitlines()[2:] == [
        "| B2 | an unknown action; a second | TC_010, TC_064_CS |",
        "| B10 | later | TC_003 |",
    ]


def test_a_settings_default_names_no_folder_of_this_machine():
    assert str(ROOT) not in building.settings_table()
