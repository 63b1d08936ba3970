"""Front pages: the README of each domain, navigation, health."""
