"""The version of this product; setup.cfg and the release commands read it here."""

__version__ = "0.1.0"
