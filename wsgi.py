"""The WSGI entry point: ``gunicorn -c app/gunicorn_settings.py wsgi:app``, ``flask --app wsgi``."""

from app import create_app

app = create_app()
