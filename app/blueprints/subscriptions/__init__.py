"""Products, and the accounts that take them."""
