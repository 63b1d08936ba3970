"""Uploads to a real endpoint on loopback; each way to fail has its sentence."""

from __future__ import annotations

import re
import socket
import threading

import pytest
from werkzeug.wrappers import Response

from app.blueprints.release import Credentials, upload
from app.blueprints.release.errors import AlreadyUploaded, UploadRefused
from tests.mailer.certificates import certificate
from tests.release import index as indexes
from tests.release.index import TOKEN

GOOD = Credentials(token=TOKEN)


@pytest.mark.parametrize("credentials", [GOOD, Credentials(username="maria", password="correct horse")])
def test_the_files_arrive_as_they_are(built, index, credentials):
    said = []
    upload.send(built, credentials, index.url, say=said.append)

    assert [(index.folder / file.name).read_bytes() for file in built] == [
        file.read_bytes() for file in built
    ]
    assert said == [f"Uploaded {file.name}." for file in built]


@pytest.mark.parametrize("credentials", [Credentials(token="wrong"), Credentials("", "maria", "wrong")])
def test_wrong_credentials_are_told_in_the_words_of_the_index(built, index, credentials):
    with pytest.raises(UploadRefused, match="refuses these credentials") as refused:
        upload.send(built, credentials, index.url)

    assert "Invalid or non-existent authentication information" in refused.value.detail
    assert "wrong" not in refused.value.detail
    assert index.files == []


def test_a_file_that_is_there_already_is_refused_or_passed_over(built, index):
    upload.send(built[:1], GOOD, index.url)

    with pytest.raises(AlreadyUploaded, match=re.escape(f"has {built[0].name} already")):
        upload.send(built, GOOD, index.url)
    assert index.files == [built[0].name]

    upload.send(built, GOOD, index.url, pass_over=True)
    assert index.files == sorted(file.name for file in built)


def test_an_index_that_hangs_is_given_up(built, index):
    index.hangs.set()

    with pytest.raises(UploadRefused, match=r"said nothing for 0 s.*--twine --force") as refused:
        upload.send(built, GOOD, index.url, patience_s=0.3)

    assert built[0].name in refused.value.detail
    assert index.asked == 1


@pytest.mark.parametrize(
    ("trouble", "sentence"),
    [
        (Response("down for a while", 503), r"in trouble \(503 .*down for a while\): try again later"),
        (Response("", 301, {"Location": "https://new.example.com/"}), "PYPI_REPOSITORY_URL to https://new"),
        (Response("not here", 404), r"takes no uploads \(404 .*not here\)"),
        (Response("no", 405), r"takes no uploads \(405"),
        (Response("<b>Bad</b>\x1b[31m\n name", 400), r"refuses \S+ \(400 BAD REQUEST Bad \[31m name\)"),
        (Response("slow down", 429), r"refuses \S+ \(429"),
        (Response("x" * 10_000, 400), r"\(400 BAD REQUEST x{250,290}\)\.$"),
        (Response("conflict", 409), "already"),
    ],
    ids=lambda value: str(value.status_code) if isinstance(value, Response) else "",
)
def test_each_refusal_has_its_sentence(built, index, trouble, sentence):
    index.trouble = trouble

    with pytest.raises(UploadRefused, match=sentence):
        upload.send(built, GOOD, index.url)

    assert index.asked == 1


def test_an_index_that_is_not_there_is_named_as_the_reason(built):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    with pytest.raises(UploadRefused, match=r"does not answer: .*refused.*--twine --force"):
        upload.send(built, GOOD, f"http://127.0.0.1:{port}/legacy/")


def test_a_connection_that_is_cut_is_no_success(built):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.listen()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        server.settimeout(10)
        cut = threading.Thread(target=lambda: server.accept()[0].close())
        cut.start()
        with pytest.raises(UploadRefused, match="does not answer"):
            upload.send(built, GOOD, url)
        cut.join()


def test_a_certificate_that_nobody_vouches_for_is_refused(built, tmp_path):
    shown = certificate(tmp_path, "127.0.0.1")
    with (
        indexes.serving(tmp_path / "safe", shown.context) as index,
        pytest.raises(UploadRefused, match="certificate cannot be trusted"),
    ):
        upload.send(built, GOOD, index.url)
    assert index.asked == 0
