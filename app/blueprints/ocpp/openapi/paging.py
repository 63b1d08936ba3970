"""The pages of a list, in the words of OpenAPI."""

from __future__ import annotations

from app.blueprints.ocpp import forms
from app.blueprints.ocpp.errors import BadParameter
from app.openapi_base import in_query, of

_PAGE = of("integer", minimum=1, maximum=forms.MAX_PAGE, default=1)
_LENGTH = of("integer", minimum=1, maximum=forms.MAX_PER_PAGE, default=forms.PER_PAGE)
PER_PAGE = in_query("per_page", "Length of a page.", _LENGTH)
PAGING = [in_query("page", "Which page; they count from 1.", _PAGE), PER_PAGE]
WRONG_PAGE = BadParameter(f"page must be a whole number from 1 to {forms.MAX_PAGE}")
