"""What can be done with mail: templates, the queue, and its sending.

One module each; the names that other domains use are here.
"""

from app.blueprints.mailer.services.queueing import queue_from_template, queue_letter
from app.blueprints.mailer.services.templates import find_template

__all__ = ["find_template", "queue_from_template", "queue_letter"]
