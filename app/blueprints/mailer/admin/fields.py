"""A form field for what fills a template in."""

from __future__ import annotations

import re

from flask_babel import gettext
from wtforms import TextAreaField, ValidationError

LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


class ValuesField(TextAreaField):
    """Values by name, ``name = value`` on a line each; ``data`` is a dict."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the lines; a line that cannot be read is named."""
        if valuelist:
            self.data = values(valuelist[0])

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "\n".join(f"{name} = {value}" for name, value in (self.data or {}).items())


def values(text: str) -> dict[str, str]:
    """Name → value. Raises ``ValidationError`` with the number of the line that has none."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        read = LINE.fullmatch(line)
        if read is None:
            raise ValidationError(gettext("Line %(number)d: write name = value.", number=number))
        found[read[1]] = read[2]
    return found
