"""What a WSGI server loads: `wsgi:app`."""

from booking import create_app

app = create_app()
