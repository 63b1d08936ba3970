"""The echo socket."""
