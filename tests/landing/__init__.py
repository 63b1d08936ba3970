"""Tests of the chargers' landing pages and labels."""
