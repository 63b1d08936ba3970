"""Builds and publishes the package: ``flask build_pypi``, and a page for staff of what runs here."""

from app.blueprints.release.package import DEFAULT_PACKAGE, Credentials, Package

__all__ = ["DEFAULT_PACKAGE", "Credentials", "Package"]
