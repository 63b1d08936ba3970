"""The pages that pictures are made of, and that the accessibility tests look at. A new page is a new line."""

from __future__ import annotations

from dataclasses import dataclass

from scripts.pictures.demo import DRIVER, SPOTS, STAFF


@dataclass(frozen=True)
class Page:
    """A page: the name of its pictures, its address, and who looks at it (nobody: a stranger).

    ``ready`` selects what is there once the page's own scripts have done their work.
    """

    name: str
    path: str
    who: str = ""
    ready: str = "body"


PUBLIC = (
    Page("readme", "/"),
    Page("readme-ocpp", "/readme/of/ocpp/"),
    Page("dashboard", "/ocpp/"),
    Page("dashboard-table", "/ocpp/?view=table"),
    Page("map", "/ocpp/map/", ready=".leaflet-container"),
    Page("landing", f"/ocpp/c/{SPOTS[0].id}/"),
    Page("awg", "/awg/?amps=40&meters=60&volts=240"),
    Page("sockets", "/chat/"),
    Page("api", "/api/docs", ready="#swagger-ui .opblock"),
    Page("login", "/login/"),
    Page("login-forgot", "/login/forgot/"),
    Page("login-tag", "/login/tag/"),
    Page("not-found", "/nothing/"),
)
DRIVERS = (
    Page("my", "/ocpp/my/", DRIVER),
    Page("my-sessions", "/ocpp/my/sessions/", DRIVER),
    Page("my-credits", "/ocpp/my/credits/", DRIVER),
    Page("landing-driver", f"/ocpp/c/{SPOTS[1].id}/", DRIVER),
    Page("my-account", "/accounts/", DRIVER),
    Page("forbidden", "/admin/", DRIVER),
)
STAFFS = (
    Page("dashboard-staff", "/ocpp/", STAFF),
    Page("charger", f"/ocpp/chargers/{SPOTS[0].id}/page/", STAFF),
    Page("log", f"/ocpp/log/{SPOTS[0].id}/", STAFF),
    Page("labels", "/ocpp/labels/", STAFF),
    Page("admin", "/admin/", STAFF),
    Page("admin-chargers", "/admin/charger/", STAFF),
    Page("admin-charger", "/admin/charger/details/?id=1", STAFF),
    Page("admin-charger-edit", "/admin/charger/edit/?id=1", STAFF),
    Page("admin-transactions", "/admin/transaction/", STAFF),
    Page("admin-simulators", "/admin/simulator/", STAFF),
    Page("admin-users", "/admin/users/", STAFF),
    Page("admin-user-edit", "/admin/users/edit/?id=2", STAFF),
    Page("admin-accounts", "/admin/accounts/", STAFF),
    Page("admin-account", "/admin/accounts/details/?id=2", STAFF),
    Page("admin-rfids", "/admin/rfids/", STAFF),
    Page("admin-rfid-new", "/admin/rfids/new/", STAFF),
    Page("admin-mails", "/admin/mails/", STAFF),
    Page("admin-releases", "/admin/releases/", STAFF),
    Page("admin-sites", "/admin/sites/", STAFF),
    Page("admin-work", "/admin/work/", STAFF),
)
PAGES = (*PUBLIC, *DRIVERS, *STAFFS)
