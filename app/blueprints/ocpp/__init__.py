"""Charge points: the line to them, their transactions, and the pages that show both."""
