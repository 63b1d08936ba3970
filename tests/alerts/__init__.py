"""Tests of alerts: when, to whom, and what staff see."""
