"""Dead letters: by reason, one with its content masked, what a replay would do, and the replay."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from starlette.responses import RedirectResponse
from starlette.routing import Route

from pixstream.dead_letters.state import STATES
from pixstream.errors import Refused
from pixstream.event.identifiers import has_document
from pixstream.page import forms
from pixstream.page.rendering import message, render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from pixstream.page.calls import Answer
    from pixstream.page.sessions import Session
    from pixstream.page.site import Site

SHOWN = 50
FRESH_SECONDS = 10.0
VERBS = ("replay", "discard", "reopen")

_ID = re.compile(r"[0-9a-f]{6,32}")
_CODE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_LONGEST_WHY = 500
_FILTERS = {"reason": "--reason", "component": "--from"}


def routes(site: Site) -> list[Route]:
    """Return the routes of the dead letters."""
    return [
        Route("/letters", _bound(site, _list)),
        Route("/letters/try", _bound(site, _try)),
        Route("/letters/act", _bound(site, _act), methods=["POST"]),
        Route("/letters/{letter}", _bound(site, _show)),
        Route("/work/{name}", _bound(site, _work)),
    ]


def _bound(site: Site, view: Any) -> Any:
    async def answer(request: Request) -> Response:
        response: Response = await view(site, request)
        return response

    return answer


async def _list(site: Site, request: Request) -> Response:
    chosen, words = _selection(dict(request.query_params))
    state = request.query_params.get("state", "open")
    state = state if state in {*STATES, "all"} else "open"
    common = ("--state", state, "--format", "json")
    counted, listed = await asyncio.gather(
        site.caller.ask("dead-letters", "list", "--count", *common, fresh_seconds=FRESH_SECONDS),
        site.caller.ask(
            *("dead-letters", "list", "--limit", str(SHOWN), *common, *words),
            fresh_seconds=FRESH_SECONDS,
        ),
    )
    return render(
        site,
        request,
        "letters",
        counted=counted,
        listed=listed,
        reasons=_reasons(counted),
        letters=_lines(listed),
        chosen=chosen,
        state=state,
        states=(*STATES, "all"),
        shown=SHOWN,
        works=site.works.latest(),
    )


async def _show(site: Site, request: Request) -> Response:
    letter = request.path_params["letter"]
    if not _ID.fullmatch(letter):
        return message(site, request, "no_such_letter", 404)
    answer = await site.caller.ask("dead-letters", "show", letter, fresh_seconds=FRESH_SECONDS)
    head, _, content = answer.output.partition("\n\n")
    facts = [line.split(None, 1) for line in head.splitlines() if line.strip()]
    return render(
        site,
        request,
        "letter",
        letter=letter,
        answer=answer,
        facts=[(f[0], f[1] if len(f) > 1 else "") for f in facts],
        content=content,
        state=next((f[1] for f in facts if f[0] == "state" and len(f) > 1), "open"),
    )


async def _try(site: Site, request: Request) -> Response:
    """Show what a replay would do."""
    chosen, words = _selection(dict(request.query_params))
    if not words:
        return message(site, request, "letters_none_chosen", 400)
    answer = await site.caller.ask(
        "dead-letters", "replay", "--dry-run", *words, fresh_seconds=FRESH_SECONDS
    )
    return render(site, request, "try", chosen=chosen, answer=answer)


async def _act(site: Site, request: Request) -> Response:
    """Replay, discard or reopen letters: in the background, audited by the command itself."""
    session = site.session(request)
    if session is None:
        return message(site, request, "action_login", 401)
    try:
        fields = await forms.read(request)
        verb, target, arguments = _action(fields, session)
        work = site.works.start(verb, target, session.who, arguments, site.caller.forget)
    except Refused as why:
        return message(site, request, why.reason, 409 if why.reason.startswith("work") else 400)
    return RedirectResponse(f"/work/{work.name}", 303)


async def _work(site: Site, request: Request) -> Response:
    work = site.works.find(request.path_params["name"])
    if work is None:
        return message(site, request, "no_such_work", 404)
    return render(site, request, "work", work=work)


def _action(fields: dict[str, str], session: Session) -> tuple[str, str, list[str]]:
    """Return what to do, to what, and the words of the command.

    Raises:
        Refused: the form is not of this session, or does not say what, to what or why.
    """
    if not session.owns(fields.get("csrf", "")):
        raise Refused("form_foreign", "wrong csrf")
    verb, why = fields.get("verb", ""), fields.get("why", "").strip()
    chosen, words = _selection(fields)
    if verb not in VERBS or not words:
        raise Refused("letters_none_chosen", "nothing chosen")
    if not why or len(why) > _LONGEST_WHY or not why.isprintable():
        raise Refused("action_why", "no reason")
    if has_document(why):
        raise Refused("action_document", "the reason has a CPF or CNPJ")
    target = ", ".join(f"{key}={value}" for key, value in chosen.items())
    # One word each: a reason that begins with a dash is still the reason.
    audited = [f"--who={session.who} (page)", f"--why={why}"]
    return verb, target, ["dead-letters", verb, *audited, *words]


def _selection(fields: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the letters that are chosen, for people, and as words of a command."""
    letter = fields.get("id", "")
    if _ID.fullmatch(letter):
        return {"id": letter}, [letter]
    chosen = {
        name: value
        for name in _FILTERS
        if (value := fields.get(name, "")) and _CODE.fullmatch(value)
    }
    return chosen, [f"{_FILTERS[name]}={value}" for name, value in chosen.items()]


def _reasons(counted: Answer) -> list[tuple[str, int, str]]:
    """Return each reason with its number and the query that lists its letters."""
    if not counted.good:
        return []
    reasons = msgspec.json.decode(counted.output)["reasons"]
    return [(name, number, urlencode({"reason": name})) for name, number in reasons.items()]


def _lines(listed: Answer) -> list[dict[str, str]]:
    """Return the letters of an answer with one JSON object a line, the newest first."""
    if not listed.good:
        return []
    lines = listed.output.splitlines()
    if listed.cut:
        del lines[-1:]
    return [msgspec.json.decode(line, type=dict[str, str]) for line in reversed(lines) if line]
