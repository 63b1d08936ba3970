"""What stands around the content of every page: navigation, languages, who is logged in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Flask, current_app, request, url_for
from flask_babel import get_locale, lazy_gettext
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.routing import Rule

from app import access, logs, sites
from app.blueprints import DOMAINS
from app.clock import utcnow
from app.config import FLASK
from app.domain_error import DomainError
from app.language import LANGUAGES, PARAMETER
from app.version import __version__, short_commit

# The domains that have pages, in the order of the navigation bar.
NAMES = {
    "ocpp": lazy_gettext("Chargers"),
    "accounts": lazy_gettext("My account"),
    "awg": lazy_gettext("Wire gauges"),
    "chat": lazy_gettext("Sockets"),
    "readme": lazy_gettext("Documentation"),
}
# Pages that are their visitor's own: endpoint → name. They stand first, for whoever is logged in.
OWN = {"ocpp.my": lazy_gettext("My charging")}
# Pages that are for everybody only while a setting says so: endpoint → setting.
PUBLIC_WHILE = {"ocpp.dashboard": "PUBLIC_DASHBOARD", "ocpp.map": "PUBLIC_DASHBOARD"}


@dataclass(frozen=True)
class Link:
    """One entry of the navigation bar."""

    name: str
    url: str
    active: bool


@dataclass(frozen=True)
class Page:
    """One page of a domain, and what its view says it is for."""

    url: str
    summary: str


@dataclass(frozen=True)
class Visitor:
    """Who is logged in, in plain words: a page about a broken database can still be shown."""

    name: str
    is_staff: bool


def navigation() -> list[Link]:
    """Every domain whose first page this visitor may see."""
    endpoints: dict[str, str] = current_app.extensions["index_pages"]
    here = logs.domain_of(request.endpoint)
    here = sites.label() if here == "website" else here
    mine = [
        Link(str(name), url_for(endpoint), active=_is_below(endpoint))
        for endpoint, name in OWN.items()
        if _may_see(endpoint)
    ]
    is_own = any(link.active for link in mine)
    return mine + [
        Link(str(name), url_for(endpoints[domain]), active=domain == here and not is_own)
        for domain, name in NAMES.items()
        if domain in endpoints and _may_see(endpoints[domain])
    ]


def _is_below(endpoint: str) -> bool:
    """Whether this page is ``endpoint``, or one of those that are named after it."""
    here = (request.endpoint or "").replace("@site", "")
    return here == endpoint or here.startswith(f"{endpoint}_")


def pages_of(domain: str) -> list[Page]:
    """Every page of a domain that this visitor may open without knowing an id."""
    views = current_app.view_functions
    return [
        Page(url_for(rule.endpoint), (views[rule.endpoint].__doc__ or "").partition("\n")[0])
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] == domain and _is_page(rule) and _may_see(rule.endpoint)
    ]


def public_pages() -> list[str]:
    """The address of every page that anybody may open, also those that a domain has told of."""
    stranger = access.Caller(None)
    own = [
        url_for(rule.endpoint)
        for rule in current_app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in DOMAINS and _is_page(rule) and _opens(rule.endpoint, stranger)
    ]
    sources: list[Callable[[], Iterable[str]]] = current_app.extensions.get("public_pages", [])
    return sorted({*own, *(url for source in sources for url in source())})


def tell_of(app: Flask, source: Callable[[], Iterable[str]]) -> None:
    """Have ``source`` name public pages that vary in their address, such as one per document."""
    app.extensions.setdefault("public_pages", []).append(source)


def visitor() -> Visitor | None:
    """Who is logged in; nobody when the database cannot tell, or the token is wrong."""
    try:
        user = access.caller().user
        return Visitor(user.username, user.is_staff) if user else None
    except (DomainError, SQLAlchemyError):
        return None


def other_languages() -> list[tuple[str, str]]:
    """The languages that this page is not in: code and name."""
    return [(code, name) for code, name in LANGUAGES.items() if code != language()]


def language() -> str:
    """The code of the language that this page is in."""
    return str(get_locale().language)


def locale_tag() -> str:
    """How browsers call it, with the country whose numbers and dates it has: ``es-MX``."""
    return str(get_locale()).replace("_", "-")


def here() -> str:
    """The address to come back to, in whatever language: this one, when it can be asked for again."""
    if request.method != "GET":
        return request.root_path + "/"
    if PARAMETER not in request.args:
        return sites.here()
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != PARAMETER]
    return sites.here().partition("?")[0] + ("?" + urlencode(kept) if kept else "")


def page_url(number: int) -> str:
    """This list, at another page and with the same filters."""
    kept = [(key, value) for key, value in request.args.items(multi=True) if key != "page"]
    return "?" + urlencode([*kept, ("page", str(number))])


def init_app(app: Flask) -> None:
    """Give templates what base.html needs. Comes after the blueprints: it looks for their first pages."""
    with app.app_context():
        app.extensions["index_pages"] = dict(_index_pages(app))
    app.jinja_env.globals.update(
        navigation=navigation, visitor=visitor, other_languages=other_languages, language=language,
        locale_tag=locale_tag, utcnow=utcnow, here=here, page_url=page_url, version=__version__,
        commit=short_commit(), flask_command=FLASK,
    )  # fmt: skip


def _index_pages(app: Flask) -> Iterator[tuple[str, str]]:
    """Domain → endpoint of the page at ``/<domain>/``."""
    for domain in NAMES:
        for rule in app.url_map.iter_rules():
            if rule.rule == f"{DOMAINS.get(domain)}/" and _is_page(rule):
                yield domain, rule.endpoint


def _is_page(rule: Rule) -> bool:
    """Whether an address is a page that needs no id."""
    decided: access.Rule | None = getattr(current_app.view_functions[rule.endpoint], "access", None)
    is_address = (
        not rule.subdomain and not rule.arguments and "GET" in (rule.methods or ()) and not rule.websocket
    )
    is_file = "." in rule.rule.rpartition("/")[2]
    return is_address and not is_file and decided is not None and not decided.json


def _may_see(endpoint: str) -> bool:
    if _opens(endpoint, access.Caller(None)):
        return True
    try:
        return _opens(endpoint, access.caller())
    except (DomainError, SQLAlchemyError):
        return False


def _opens(endpoint: str, who: access.Caller) -> bool:
    """Whether a page opens to this caller."""
    setting = PUBLIC_WHILE.get(endpoint)
    if setting and not current_app.config[setting]:
        return access.may(access.Rule(access.STAFF), who)
    return access.may(access.rule_of(current_app, endpoint), who)
