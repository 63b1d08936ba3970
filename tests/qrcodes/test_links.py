"""QR links: one row and one picture for each text, made when they are needed, remade when they are lost."""

from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import pytest
import qrcode
from flask import Flask, render_template_string
from PIL import Image
from sqlalchemy import func, select

from app.blueprints.qrcodes import pictures, services
from app.blueprints.qrcodes.errors import NotForQR
from app.blueprints.qrcodes.models import MOST_BYTES, QRLink
from app.db import UnitOfWork, db, unit_of_work
from tests.accounts.screens import messages
from tests.clients import Browser
from tests.databases import both_databases

VALUE = "https://charge.example.com/ocpp/c/CP1/"
SCREEN = "/admin/qr_link/"


@pytest.fixture
def link(work: UnitOfWork) -> QRLink:
    """A link that has been made."""
    return services.find_or_make(work, [VALUE])[VALUE]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures are kept."""
    return tmp_path_factory.mktemp("pictures")


def modules(image: bytes) -> list[list[bool]]:
    """What a picture shows: its modules, without the frame; True is black."""
    picture = Image.open(io.BytesIO(image)).convert("L")
    step, quiet = services.PIXELS, services.QUIET
    numbers = range(quiet, picture.width // step - quiet)
    middle = step // 2
    return [
        [picture.getpixel((x * step + middle, y * step + middle)) < 128 for x in numbers] for y in numbers
    ]


@both_databases
def test_a_text_has_one_link_however_often_it_is_needed(work: UnitOfWork) -> None:
    first = services.find_or_make(work, [VALUE, "other"])
    again = services.find_or_make(work, ["third", VALUE])

    assert again[VALUE].id == first[VALUE].id
    assert work.scalar(select(func.count(QRLink.id))) == 3


@both_databases
def test_many_who_need_a_link_at_the_same_moment_make_one(app: Flask) -> None:
    failures, together = [], threading.Barrier(8)

    def need() -> None:
        try:
            with app.app_context():
                together.wait()
                with unit_of_work() as work:
                    services.find_or_make(work, [VALUE])
        except Exception as error:  # told to the test, not to the thread
            failures.append(error)

    threads = [threading.Thread(target=need) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with app.app_context():
        assert db.session.scalar(select(func.count(QRLink.id))) == 1


@both_databases
def test_the_longest_text_has_a_link_and_a_picture(work: UnitOfWork, folder: Path) -> None:
    for text in ("x" * MOST_BYTES, "ñ" * (MOST_BYTES // 2), "🔌" * (MOST_BYTES // 4)):
        found = services.find_or_make(work, [text])[text]
        assert services.picture(folder, found).startswith(b"\x89PNG")


def test_what_no_picture_holds_is_refused(work: UnitOfWork) -> None:
    for text in ("", "x" * (MOST_BYTES + 1), "ñ" * MOST_BYTES, "a\0b", "\ud800"):
        with pytest.raises(NotForQR):
            services.find_or_make(work, [text])


def test_a_picture_says_the_value(link: QRLink, folder: Path) -> None:
    expected = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0)
    expected.add_data(VALUE.encode())

    assert modules(services.picture(folder, link)) == [
        [bool(cell) for cell in row] for row in expected.get_matrix()
    ]


def test_a_picture_is_a_file_named_by_the_hash_and_is_used_again(link: QRLink, folder: Path) -> None:
    image = services.picture(folder, link)

    file = folder / f"{hashlib.sha256(VALUE.encode()).hexdigest()}.png"
    assert [*folder.iterdir()] == [file]
    assert file.read_bytes() == image
    before = file.stat().st_ino
    assert services.picture(folder, link) == image
    assert file.stat().st_ino == before


def test_a_picture_that_was_lost_or_cut_off_is_made_anew(link: QRLink, folder: Path) -> None:
    image, file = services.picture(folder, link), folder / link.image
    for left in (None, b"", b"\x89PNG half of it", image[:-1]):
        file.unlink()
        if left is not None:
            file.write_bytes(left)

        assert services.picture(folder, link) == image
        assert file.read_bytes() == image


def test_where_the_disk_takes_nothing_the_picture_is_shown_all_the_same(link: QRLink, folder: Path) -> None:
    (folder / "file").write_text("no folder")

    assert services.picture(folder / "file" / "qrcodes", link).startswith(b"\x89PNG")


# In pages


def test_qr_img_makes_the_link_that_a_page_needs_and_its_address_answers_the_picture(
    app: Flask, client: Browser
) -> None:
    with app.test_request_context():
        html = render_template_string("{{ qr_img(value, 'a \"code\"', 90) }}{{ qr_img(value) }}", value=VALUE)
    name = f"{hashlib.sha256(VALUE.encode()).hexdigest()}.png"

    assert f'src="/qrcodes/images/{name}" width="90" height="90" alt="a &#34;code&#34;"' in html
    answer = client.get(f"/qrcodes/images/{name}")
    assert answer.mimetype == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    assert Image.open(io.BytesIO(answer.data)).format == "PNG"
    with app.app_context():
        assert (pictures.folder() / name).read_bytes() == answer.data
        assert db.session.scalar(select(func.count(QRLink.id))) == 1


def test_qr_img_leaves_what_the_page_has_read_alone(app: Flask, work: UnitOfWork, link: QRLink) -> None:
    work.commit()
    link.value = "changed, not stored"

    with app.test_request_context():
        pictures.qr_img("another")

    assert link.value == "changed, not stored"


def test_a_picture_of_nothing_is_not_found(client: Browser) -> None:
    for name in ("0" * 64 + ".png", "x.png", "%00", "..%2f..%2fsecret_key", "a" * 5000):
        assert client.get(f"/qrcodes/images/{name}").status_code == 404


# In the administration


def test_staff_make_a_code_for_anything_and_remove_it(
    app: Flask, staff: Browser, work: UnitOfWork, link: QRLink
) -> None:
    work.commit()
    assert staff.submit(f"{SCREEN}new/", {"value": "  https://example.com/menu "}).status_code == 302
    assert "Already exists." in staff.submit(f"{SCREEN}new/", {"value": VALUE}).text

    made = work.scalars(select(QRLink).order_by(QRLink.id)).all()
    assert [row.value for row in made] == [VALUE, "https://example.com/menu"]
    page = staff.get(SCREEN).text
    assert f'src="/qrcodes/images/{made[1].image}"' in page
    with app.app_context():
        file = pictures.folder() / made[1].image
    assert file.exists()

    staff.submit(f"{SCREEN}delete/", {"id": made[1].id})
    assert work.scalars(select(QRLink.value)).all() == [VALUE]
    assert not file.exists()


def test_staff_are_told_what_cannot_be_a_code(staff: Browser, work: UnitOfWork) -> None:
    page = staff.submit(f"{SCREEN}new/", {"value": "x" * 2001})

    assert page.status_code == 200
    assert "1 to 2000 bytes" in messages(page)
    assert work.scalar(select(func.count(QRLink.id))) == 0
