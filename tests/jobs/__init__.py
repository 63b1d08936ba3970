"""Tests of jobs, their ledger and their worker."""
