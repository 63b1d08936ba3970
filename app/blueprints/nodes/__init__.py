"""Other installations of this project, and where they are."""
