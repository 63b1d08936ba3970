"""Odoo: the servers that staff have named, and whether they answer."""
