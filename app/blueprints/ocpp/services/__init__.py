"""The charging rules, without sockets or JSON."""
