"""Makes HTML from the templates: escaped, strict about names, in the reader's language."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from pixstream import __version__
from pixstream.page.language import CODES, COOKIE, Tongue

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.site import Site

PLACES = ("flow", "components", "letters", "topics", "trace", "jobs", "alerts")
"""The pages of the navigation; `flow` is the first one."""

_YEAR_SECONDS = 365 * 86_400


@cache
def templates() -> Environment:
    """Return the environment of all templates."""
    return Environment(
        loader=PackageLoader("pixstream.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(
    site: Site, request: Request, template: str, *, status_code: int = 200, **context: Any
) -> Response:
    """Return a page.

    Args:
        site: what the views share.
        request: whose language and login count.
        template: the name of its template, without `.html`; it names the place in the navigation.
        status_code: of the response.
        context: what the template needs besides.
    """
    tongue = site.tongue(request)
    values = context.pop("values", None) or site.values(tongue)
    text = (
        templates()
        .get_template(f"{template}.html")
        .render(
            t=tongue.t,
            tongue=tongue,
            others=[Tongue(code) for code in CODES if code != tongue.code],
            places=PLACES,
            template=template,
            session=site.session(request),
            can_log_in=site.sessions.possible,
            values=values,
            version=__version__,
            here=request.url.path,
            query=[(k, v) for k, v in request.query_params.multi_items() if k != "lang"],
            **context,
        )
    )
    response = HTMLResponse(text, status_code, {"Vary": "Accept-Language, Cookie"})
    response.headers["Content-Language"] = tongue.tag
    if request.query_params.get("lang") == tongue.code:
        response.set_cookie(
            COOKIE, tongue.code, max_age=_YEAR_SECONDS, samesite="strict", secure=site.secure
        )
    return response


def message(site: Site, request: Request, key: str, status_code: int) -> Response:
    """Return a page with one sentence of the catalogue."""
    return render(
        site, request, "message", status_code=status_code, text=site.tongue(request).t(key)
    )
