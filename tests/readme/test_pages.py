"""The pages that show the documentation."""

from __future__ import annotations


def test_the_projects_readme_is_shown(client):
    assert "<h1" in client.get("/readme/").text


def test_a_domains_readme_is_shown(client):
    assert "/ws/echo/" in client.get("/readme/of/chat/").text


def test_there_is_no_readme_of_something_else(client):
    for name in ("nothing", "..", "static", "CHAT", "%00", "x" * 5000):
        assert client.get(f"/readme/of/{name}/").status_code == 404


def test_the_text_is_marked_as_english_on_a_spanish_page(client):
    text = client.get("/readme/", headers={"Accept-Language": "es"}).text

    assert '<html lang="es-MX">' in text
    assert '<article class="readme col-lg-9" lang="en">' in text


def test_a_missing_readme_leaves_a_page_that_says_what_to_run(client, tmp_path, monkeypatch):
    monkeypatch.setattr("app.blueprints.readme.services.rendering.ROOT", tmp_path)

    answer = client.get("/")

    assert answer.status_code == 200
    assert "flask build_readme" in answer.text
