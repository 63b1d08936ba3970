"""Sends built files to a package repository, by way of twine: each way to fail has its sentence."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.blueprints.release.errors import AlreadyUploaded, ReleaseRefused, UploadRefused
from app.blueprints.release.package import Credentials

if TYPE_CHECKING:
    from requests import Response
    from twine.repository import Repository

# Seconds of silence after which the repository is given up; it checks a file before it answers.
PATIENCE_S = 120.0
GO_ON = "Then go on with --twine --force, which passes over what has arrived"


def check_address(url: str) -> None:
    """Refuse an address that is none, and one that would show the password to a network."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise ReleaseRefused(
            f"PYPI_REPOSITORY_URL must be an address such as https://host/legacy/, not {url!r}."
        )
    if parts.username or parts.password:
        raise ReleaseRefused(
            "PYPI_REPOSITORY_URL must not hold a password: set PYPI_USERNAME and PYPI_PASSWORD."
        )
    if parts.scheme == "http" and not _is_here(host):
        raise ReleaseRefused(f"PYPI_REPOSITORY_URL must begin with https: {host} is on another machine.")


def send(
    files: Sequence[Path],
    credentials: Credentials,
    url: str = "",
    *,
    pass_over: bool = False,
    patience_s: float = PATIENCE_S,
    say: Callable[[str], None] = lambda text: None,
) -> None:
    """Upload the files one by one. Raises ``UploadRefused`` at the first that is not taken.

    ``pass_over`` those that the repository has already.
    """
    from twine.package import PackageFile

    repository = _repository(credentials, url, patience_s)
    try:
        for file in files:
            answer = _answer(repository, PackageFile.from_filename(str(file), None), file.name, patience_s)
            if _is_there_already(answer):
                if not pass_over:
                    raise AlreadyUploaded(file.name)
                say(f"{file.name} is there already.")
            elif answer.status_code != 200:
                raise _refusal(answer, file.name)
            else:
                say(f"Uploaded {file.name}.")
    finally:
        repository.close()


def _repository(credentials: Credentials, url: str, patience_s: float) -> Repository:
    from requests.adapters import HTTPAdapter
    from twine.exceptions import TwineException
    from twine.settings import Settings

    class Patient(HTTPAdapter):
        """Waits, but not for ever, and asks once."""

        def send(self, request: Any, **options: Any) -> Response:  # type: ignore[override]
            return super().send(request, **options | {"timeout": patience_s})

    username, password = credentials.login()
    try:
        repository = Settings(
            username=username, password=password, repository_url=url or None, non_interactive=True,
            disable_progress_bar=True,
        ).create_repository()  # fmt: skip
    except TwineException as error:
        raise ReleaseRefused(f"twine cannot use its settings: {_plain(str(error))}.") from error
    repository.session.mount("https://", Patient())
    repository.session.mount("http://", Patient())
    return repository


def _answer(repository: Repository, package: Any, name: str, patience_s: float) -> Response:
    from requests import exceptions

    try:
        return repository.upload(package, max_redirects=1)
    except exceptions.SSLError as error:
        raise UploadRefused(
            f"The repository's certificate cannot be trusted: {_plain(str(error))}."
        ) from error
    except exceptions.ConnectTimeout as error:
        raise UploadRefused(
            f"The repository cannot be reached within {patience_s:.0f} s. {GO_ON}."
        ) from error
    except exceptions.Timeout as error:
        raise UploadRefused(
            f"The repository took {name} and said nothing for {patience_s:.0f} s, so nobody knows whether it"
            f" has arrived. {GO_ON}."
        ) from error
    except exceptions.RequestException as error:
        raise UploadRefused(f"The repository does not answer: {_plain(str(error))}. {GO_ON}.") from error


def _is_there_already(answer: Response) -> bool:
    said = f"{answer.reason} {answer.text}".lower()
    return answer.status_code == 409 or (answer.status_code in (400, 403) and "already exist" in said)


def _refusal(answer: Response, name: str) -> UploadRefused:
    status, said = answer.status_code, _plain(f"{answer.reason or ''} {answer.text}")
    if status in (401, 403):
        return UploadRefused(f"The repository refuses these credentials ({status} {said}).")
    if 300 <= status < 400:
        where = _plain(answer.headers.get("Location", ""))
        return UploadRefused(f"The repository is elsewhere: set PYPI_REPOSITORY_URL to {where}.")
    if status in (404, 405, 410):
        return UploadRefused(f"PYPI_REPOSITORY_URL takes no uploads ({status} {said}).")
    if status >= 500:
        return UploadRefused(f"The repository is in trouble ({status} {said}): try again later. {GO_ON}.")
    return UploadRefused(f"The repository refuses {name} ({status} {said}).")


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(said: str) -> str:
    """Somebody else's words, in one line of bearable length and without tags."""
    words = re.sub(r"<style.*?</style>|<[^>]*>", " ", said, flags=re.DOTALL)
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())[:300].rstrip(".")
