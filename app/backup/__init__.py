"""Everything that cannot be made again, in one file: the database and the secret key; and back from it."""
