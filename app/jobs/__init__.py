"""What the worker does: which jobs there are and when they run, their history, and which processes live."""
