"""What is an address of a server, and what is not."""

from __future__ import annotations

import pytest

from app.blueprints.odoo import forms
from app.blueprints.odoo.address import Address
from app.blueprints.odoo.errors import BadText, BadUrl, PasswordMissing, PasswordNeeded, UrlWithLogin


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://odoo.example.com", ("https", "odoo.example.com", 443, "odoo.example.com")),
        ("HTTP://Odoo.Example.com:80/", ("http", "odoo.example.com", 80, "odoo.example.com")),
        ("http://192.168.1.20:8069", ("http", "192.168.1.20", 8069, "192.168.1.20:8069")),
        ("http://[fd00::7]:8069", ("http", "fd00::7", 8069, "[fd00::7]:8069")),
        ("https://ñandú.example", ("https", "xn--and-6ma2c.example", 443, "xn--and-6ma2c.example")),
        ("http://odoo_1", ("http", "odoo_1", 80, "odoo_1")),
    ],
)
def test_an_address_is_read(work, url, expected):
    found = Address.of_server(url)

    assert (found.scheme, found.host, found.port, found.authority) == expected
    assert found.common().path == "/xmlrpc/2/common"


def test_a_server_may_live_below_a_path(work):
    assert Address.of_server("https://a.example/erp/").common().path == "/erp/xmlrpc/2/common"
    assert Address.of_server("https://a.example/ñ").common().path == "/%C3%B1/xmlrpc/2/common"


@pytest.mark.parametrize(
    "url",
    [
        "", "odoo.example.com", "odoo", "//odoo.example.com", "ftp://odoo.example.com", "file:///etc/passwd",
        "javascript:alert(1)", "http://", "http:///x", "http://:8069", "http://a:0", "http://a:65536",
        "http://a:b", "http://a b", "http://a/x y", "http://a\\b", "http://a\t", "http://a\r\nHost: b",
        "http://[::1", "http://a?x", "http://a/?x=1", "http://a/#x", "http://a%2f",
        "http://" + "a" * 64 + ".x", "http://a..b", "http://a/\0", "http://<b>", "https://[fe80::1%25eth0]",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(work, url):
    with pytest.raises(BadUrl):
        Address.of_server(url)


@pytest.mark.parametrize("url", ["http://ann@a", "http://ann:x@a:1/", "https://:x@a", "http://a.example@b"])
def test_an_address_carries_no_login(work, url):
    with pytest.raises(UrlWithLogin):
        Address.of_server(url)


def test_an_address_is_kept_without_its_final_slash(work):
    assert forms.url(" https://odoo.example.com/ ") == "https://odoo.example.com"
    with pytest.raises(BadUrl):
        forms.url("https://a.example/" + "x" * 500)


def test_a_text_holds_nothing_that_xml_cannot(work):
    assert forms.text(" ñ & <b> ") == "ñ & <b>"
    for text in ("a\0b", "a\nb", "\x1b", "a\u2028b", "\ud800"):
        with pytest.raises(BadText):
            forms.text(text)


def test_a_new_instance_needs_a_password(work):
    forms.password("x", "http://a", None)
    with pytest.raises(PasswordMissing):
        forms.password("", "http://a", None)
    with pytest.raises(BadText):
        forms.password("a\0", "http://a", None)


@pytest.mark.parametrize(
    "url", ["http://b", "https://a", "http://a:8069", "http://a.b", "http://", "http://b@a"]
)
def test_a_password_that_is_kept_goes_to_no_other_server(work, url):
    with pytest.raises(PasswordNeeded):
        forms.password("", url, "http://a")
    forms.password("again", url, "http://a")


@pytest.mark.parametrize("url", ["http://a", "http://A/", "http://a:80/erp"])
def test_a_password_that_is_kept_goes_to_the_same_server(work, url):
    forms.password("", url, "http://a")
