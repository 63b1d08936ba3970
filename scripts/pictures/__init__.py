"""Pictures of the site with something going on; the accessibility tests look at the same site and pages."""
