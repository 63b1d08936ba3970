"""Tests of qrcodes."""
