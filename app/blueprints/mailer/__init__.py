"""Mail: templates, and the queue that the worker sends."""
