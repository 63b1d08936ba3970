"""Installing, upgrading and what stands around the site: systemd, nginx, containers, editors."""
