"""What pages that follow are told, as server-sent events: everybody of chargers, drivers of their own."""
