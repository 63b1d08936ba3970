"""The benchmark behind ``scripts/bench``: the same load against this server and against a bare one."""
