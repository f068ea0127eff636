"""The JSON of API Pix 2.9.0: webhook bodies, pages of GET /pix, charges, single objects.

It knows what the Banco Central specifies. What a PSP adds stands in `formats/dialects/`.
"""

from pixstream.formats.api_pix.parser import parse, read
from pixstream.formats.api_pix.trial import is_trial

__all__ = ["is_trial", "parse", "read"]
