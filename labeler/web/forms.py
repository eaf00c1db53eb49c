"""What a browser sends for a form: bounded before it is read, decoded strictly, asked for field by field."""

from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

from labeler.errors import BadInput
from labeler.service.body import read_form_body

FORM_BYTES: Final = 64 * 1024
FIELDS_MAX: Final = 100
_LARGEST: Final = 10**9


class Form:
    """The fields of a form. A field that was left empty counts as not sent."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a field, each once, white space around it taken off."""
        values = (value.strip() for given, value in self._fields if given == name)
        return tuple(dict.fromkeys(value for value in values if value))

    def text(self, name: str) -> str | None:
        """The first value of a field, None where there is none."""
        return next(iter(self.texts(name)), None)

    def needed(self, name: str) -> str:
        """The value of a field that must be there; raises `BadInput`."""
        value = self.text(name)
        if value is None:
            raise BadInput(f"{name} is missing.")
        return value

    def number(self, name: str, most: int = _LARGEST) -> int | None:
        """The value of a field as a number from 0 to `most`, None where there is none; raises `BadInput`."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(most)) and int(value) <= most):
            raise BadInput(f"{name} must be a whole number from 0 to {most}, not {value[:40]!r}.")
        return int(value)


async def read_form(request: web.Request, limit: int = FORM_BYTES) -> Form:
    """Read the body of a form; raises `BadInput` (413, 415, 400)."""
    raw = await read_form_body(request, limit)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX, separator="&"
        )
    except ValueError:
        raise BadInput(f"This is no form of at most {FIELDS_MAX} fields in UTF-8.") from None
    # A browser ends lines with CRLF (HTML §4.10.21.4); what people wrote had single newlines.
    return Form([(name, value.replace("\r\n", "\n").replace("\0", "")) for name, value in pairs])
