"""The JSON of API Pix 2.9.0: webhook bodies, pages of GET /pix, charges, single objects.

It follows the Banco Central's specification. A PSP's additions are in `formats/dialects/`.
"""

from pixstream.formats.api_pix.parser import parse, read
from pixstream.formats.api_pix.trial import is_trial

__all__ = ["is_trial", "parse", "read"]
