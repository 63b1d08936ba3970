"""Markdown becomes safe HTML whose links lead somewhere."""

from __future__ import annotations

import os
import re

import pytest

from app.blueprints.readme.services import rendering
from app.blueprints.readme.services.rendering import address, render


def body(text: str, folder: str = "") -> str:
    return render(text, address, folder).body


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt&#58;alert(1))",
        "[click](java\tscript:alert(1))",
        "[click](data:text/html;base64,PHNjcmlwdD4=)",
        "[click](vbscript:x)",
        "![x](javascript:alert(1))",
        "<a href='//evil.example/x'>x</a>",
        "<iframe src='/admin/'></iframe>",
        "<form action='/logout/' method=post><button>x</button></form>",
        "<style>body{display:none}</style>",
        "<p style='position:fixed;inset:0'>x</p>",
        "<td style='text-align: left;background:url(//evil.example)'>x</td>",
        "<svg><script>alert(1)</script></svg>",
        "<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>",
        "<base href='//evil.example/'>",
        "<meta http-equiv=refresh content='0;url=//evil.example'>",
        "<span class='modal-backdrop vh-100'>x</span>",
        "<div class='position-fixed'>x</div>",
        "<p id=content>x</p>",
        "```\n</code></pre><script>alert(1)</script>\n```",
        "```python onmouseover=alert(1)\nx\n```",
        "# <img src=x onerror=alert(1)>",
        "<h1 onclick=alert(1)>x</h1>",
    ],
)
def test_nothing_in_a_document_can_act(attack):
    tags = "".join(re.findall(r"<[^>]*>", body(attack)))

    assert not re.search(
        r"(?i)script|\son\w+=|evil|iframe|<form|<style|<svg|<base|<meta|position|background|modal|vh-|data:|id=.content",
        tags,
    )


def test_a_heading_that_attacks_is_plain_text_in_the_table_of_contents():
    (heading,) = render("# a <b>bold</b> & <img src=x onerror=alert(1)> one").contents

    assert "<" not in heading.name


def test_tables_code_and_headings_are_rendered():
    html = body('# Title\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n```python\nprint("hi")\n```')

    assert '<h1 id="title">' in html
    assert '<td style="text-align:right">2</td>' in html.replace("text-align: right;", "text-align:right")
    assert 'class="highlight"' in html
    assert '<span class="nb">print</span>' in html


def test_the_title_and_the_table_of_contents_come_from_the_headings():
    document = render("# One\n\n## Two & three\n\n### Four\n\n## Two & three")

    assert document.title == "One"
    assert [(heading.name, heading.level) for heading in document.contents] == [
        ("One", 1), ("Two & three", 2), ("Four", 3), ("Two & three", 2),
    ]  # fmt: skip
    assert len({heading.anchor for heading in document.contents}) == 4


@pytest.mark.parametrize(
    ("link", "folder", "leads_to"),
    [
        ("README.md", "", "/readme/"),
        ("app/blueprints/ocpp/README.md", "", "/readme/of/ocpp/"),
        ("../ocpp/README.md#simulator", "app/blueprints/chat", "/readme/of/ocpp/#simulator"),
        ("../../static/favicon.svg", "app/blueprints/chat", "/static/favicon.svg"),
        ("#start", "", "#start"),
        ("https://example.com/a?b#c", "", "https://example.com/a?b#c"),
        ("mailto:a@example.com", "", "mailto:a@example.com"),
        ("/ocpp/", "", "/ocpp/"),
    ],
)
def test_a_link_leads_to_where_the_site_shows_its_target(link, folder, leads_to):
    assert f'href="{leads_to}"' in body(f"[text]({link})", folder)


@pytest.mark.parametrize("link", ["setup.cfg", "../../../etc/passwd", "app/config.py", "instance/secret_key"])
def test_a_link_to_a_file_that_the_site_does_not_show_has_no_address(link):
    html = body(f"[text]({link})")

    assert "text" in html
    assert "href" not in html


def test_an_image_below_static_is_shown_from_there_when_it_is_near():
    html = body("![x](app/static/favicon.svg)")

    assert 'src="/static/favicon.svg"' in html
    assert 'alt="x"' in html
    assert 'loading="lazy"' in html


def test_links_stay_under_the_prefix_of_a_proxy():
    assert address("README.md", "/constellation") == "/constellation/readme/"


def test_a_document_is_rendered_again_when_its_file_changes(tmp_path, monkeypatch):
    file = tmp_path / "README.md"
    monkeypatch.setattr(rendering, "ROOT", tmp_path)
    file.write_text("# Before")
    assert rendering.rendered("").title == "Before"

    file.write_text("# After")
    os.utime(file, ns=(1, 1))  # another time, however coarse the clock

    assert rendering.rendered("").title == "After"


def test_an_unchanged_document_is_rendered_once():
    assert rendering.rendered("") is rendering.rendered("")


def test_a_missing_document_is_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "ROOT", tmp_path)

    assert rendering.rendered("chat").body == ""
