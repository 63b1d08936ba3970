"""Whatever host a visitor uses, everything answers and stays on it."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import pytest
from sqlalchemy import func, select

from app.blueprints.website.models import Site
from app.db import db, unit_of_work
from tests.clients import Browser

SHOWN = {"": "Arthexis Constellation", "ocpp": "OCPP", "chat": "Chat"}
# Kind of host → its Host header, and the domain whose README `/` shows.
HOSTS = {
    "the server's name": ("localhost:8000", ""),
    "the server's name in upper case": ("LOCALHOST:8000", ""),
    "another port": ("localhost:9999", ""),
    "the default port": ("localhost", ""),
    "a subdomain": ("ocpp.localhost:8000", "ocpp"),
    "a subdomain in upper case": ("OCPP.Localhost:8000", "ocpp"),
    "a subdomain at another port": ("ocpp.localhost", "ocpp"),
    "another subdomain": ("chat.localhost:8000", "chat"),
    "the website's own subdomain": ("website.localhost:8000", ""),
    "a subdomain of nothing": ("nothing.localhost:8000", ""),
    "a subdomain of a subdomain": ("x.ocpp.localhost:8000", ""),
    "a name with a final dot": ("ocpp.localhost.:8000", "ocpp"),
    "a mapped domain": ("charge.example.com", "ocpp"),
    "a mapped domain at a port": ("charge.example.com:8443", "ocpp"),
    "a mapped domain in upper case": ("Charge.Example.COM", "ocpp"),
    "a mapped subdomain": ("website.example.com", ""),
    "a domain mapped to nothing that exists": ("lost.example.com", ""),
    "a mapped address": ("10.0.0.7:8000", "chat"),
    "a mapped IPv6 address": ("[fd00::7]:8000", "chat"),
    "an unknown name": ("example.org", ""),
    "an IPv4 address": ("192.168.1.5:8000", ""),
    "an IPv6 address": ("[::1]:8000", ""),
    "an international name": ("xn--caf-dma.example:8000", ""),
}
SITES = {
    "charge.example.com": "ocpp", "website.example.com": "website", "lost.example.com": "gone",
    "10.0.0.7": "chat", "[fd00::7]": "chat",
}  # fmt: skip
# An address that misses its final slash, and where it leads.
REDIRECTS = {"/chat?a=1&b=%2F": "/chat/?a=1&b=%2F", "/readme": "/readme/", "/admin": "/admin/"}
# What scripts make addresses from: this part becomes a charger's id.
PATTERN = 'data-page="/ocpp/c/CHARGER/"'
LINK = re.compile(r'(?:href|src|action|data-[a-z-]+)="([^"#][^"]*)"')


@pytest.fixture
def sites(app) -> None:
    """Some mapped domains."""
    with app.app_context(), unit_of_work() as work:
        work.add_all(Site(domain=domain, label=label) for domain, label in SITES.items())


@pytest.mark.parametrize("kind", HOSTS)
def test_everything_stays_on_the_visited_host_and_answers(client, sites, kind):
    host, domain = HOSTS[kind]

    first = get(client, host, "/")

    assert first.status_code == 200
    assert f">{SHOWN[domain]}</h1>" in first.text
    for path, target in REDIRECTS.items():
        assert landing(client, host, path) == target
    assert landing(client, host, "/language/es/?next=/chat/") == "/chat/"
    assert landing(client, host, "/admin/") == "/login/?next=/admin/"
    for page in ("/", "/chat/", "/readme/", "/ocpp/", "/login/", "/nothing/at/all/"):
        check_links(client, host, get(client, host, page))


def test_a_labelled_hosts_own_addresses_come_first(client, sites):
    assert get(client, "chat.localhost:8000", "/dashboard/").status_code == 200
    assert get(client, "localhost:8000", "/dashboard/").status_code == 404
    assert landing(client, "chat.localhost:8000", "/dashboard") == "/dashboard/"
    assert get(client, "charge.example.com", "/chargers/").status_code == 401
    assert get(client, "10.0.0.7:8000", "/chargers/").status_code == 404


def test_a_labelled_host_links_to_the_pages_of_its_domain(client, sites):
    assert 'href="/ocpp/"' in get(client, "charge.example.com", "/").text.partition("<main")[2]
    assert 'href="/ocpp/chargers/"' not in get(client, "charge.example.com", "/").text


def test_no_address_of_a_domain_hides_another_path(app):
    """On its subdomain a domain's own rules come first: none begins as another's, or matches anything."""
    owners: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        if not rule.subdomain:
            owners.setdefault(first_part(rule.rule), set()).add(rule.endpoint.partition(".")[0])
    own = [rule for rule in app.url_map.iter_rules() if rule.subdomain]

    assert [rule for rule in own if first_part(rule.rule).startswith("<")] == []
    assert [
        rule for rule in own if owners.get(first_part(rule.rule), set()) - {rule.subdomain, "login"}
    ] == []


def first_part(rule: str) -> str:
    return rule.split("/")[1]


BAD_HOSTS = [
    'evil"><script>alert(1)</script>',
    "evil.com/path",
    "a b",
    "",
    " ",
    ".",
    "..",
    "-",
    "[",
    "[::1",
    "[abc]",
    "[]:80",
    "localhost:8000:9",
    "localhost:port",
    "localhost:99999999",
    ":8000",
    "user@evil.com",
    "ünï.example",
    "%00",
    "\t",
    "x" * 5000,
    ".".join(["a" * 60] * 200),
    "a." * 3000,
    "ocpp..localhost:8000",
    ".localhost:8000",
    "*.localhost",
    "ocpp.localhost:8000.evil.com",
    "javascript:alert(1)",
    "a\\b",
    "a?b#c",
    "{{7*7}}",
]


@pytest.mark.parametrize("path", ["/", "/chat", "/ocpp/", "/admin/", "/nothing", "/language/es/", "/healthz"])
def test_a_bad_host_harms_nobody(client, path):
    for host in BAD_HOSTS:
        answer = get(client, host, path)

        assert answer.status_code < 500, host
        assert "<script>alert" not in answer.text
        assert "evil" not in answer.headers.get("Location", "")


def test_a_new_site_is_served_at_once(client, staff):
    assert f">{SHOWN['']}</h1>" in get(client, "charge.example.com", "/").text

    staff.submit("/admin/sites/new/", {"domain": "Charge.Example.com", "label": "ocpp"})
    assert f">{SHOWN['ocpp']}</h1>" in get(client, "charge.example.com", "/").text

    staff.submit("/admin/sites/edit/?id=1", {"domain": "charge.example.com", "label": "chat"})
    assert f">{SHOWN['chat']}</h1>" in get(client, "charge.example.com", "/").text

    staff.submit("/admin/sites/delete/", {"id": "1"})
    assert f">{SHOWN['']}</h1>" in get(client, "charge.example.com", "/").text


@pytest.mark.parametrize(
    "domain",
    ["http://example.com", "example.com:80", "example.com/x", "a b", "", "-a.com", "a" * 300, "ex_ample.com"],
)
def test_a_site_needs_a_host_name(app, staff, domain):
    answer = staff.submit("/admin/sites/new/", {"domain": domain, "label": "ocpp"})

    assert answer.status_code == 200  # the form again
    with app.app_context():
        assert count(Site) == 0


def test_a_site_needs_a_domain_that_exists(app, staff):
    staff.submit("/admin/sites/new/", {"domain": "example.com", "label": "nothing"})

    with app.app_context():
        assert count(Site) == 0


def test_the_last_known_sites_are_served_while_the_database_is_away(app, client, sites):
    assert f">{SHOWN['ocpp']}</h1>" in get(client, "charge.example.com", "/").text

    with app.app_context(), unit_of_work() as work:
        work.connection().exec_driver_sql("ALTER TABLE site RENAME TO gone")
    app.extensions["site_map"].forget()

    assert f">{SHOWN['ocpp']}</h1>" in get(client, "charge.example.com", "/").text


def count(model) -> int:
    return db.session.scalar(select(func.count()).select_from(model))


def get(client: Browser, host: str, path: str):
    return client.get(path, headers={"Host": host})


def landing(client: Browser, host: str, path: str) -> str:
    """Where a redirect leads, seen from this host: a path, or another site's whole address."""
    answer = get(client, host, path)
    assert answer.status_code in (301, 302, 303, 307, 308), f"{path} on {host}: {answer.status}"
    here = f"http://{host.lower()}"
    return urljoin(f"{here}{path}", answer.headers["Location"]).removeprefix(here)


def check_links(client: Browser, host: str, page) -> None:
    """Every link and asset of a page is on this host and answers; documents may name other sites."""
    shell = re.sub(r"<article.*?</article>", "", page.text, flags=re.DOTALL).replace(PATTERN, "")
    for link in {link for link in LINK.findall(shell) if link.startswith(("/", "http", "."))}:
        parts = urlsplit(link)
        assert not parts.netloc, f"{link} leaves {host}"
        answer = get(client, host, link.replace("&amp;", "&"))
        assert answer.status_code < 400, f"{link} on {host}: {answer.status}"
        answer.close()
    assert not re.search(r'(?:href|src)="(?:https?:)?//localhost', page.text)
