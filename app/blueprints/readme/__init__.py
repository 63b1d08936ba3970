"""README rendering, and the build of the combined README."""
