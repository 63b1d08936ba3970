"""Tests of backups and of the way back."""
