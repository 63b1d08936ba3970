"""The WSGI entry point: ``gunicorn -c python:app.gunicorn_settings wsgi:app``, ``flask --app wsgi``."""

from app import create_app

app = create_app()
