"""Commands around the project; a package so that tests can reuse the benchmark's load generator."""
