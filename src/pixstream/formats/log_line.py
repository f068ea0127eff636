"""One line of a bank's own logs: a JSON object about a payment, receipt or return.

The expected names, unless the configuration gives another path for a field:

    {"timestamp": "2026-11-23T14:05:09.120-03:00", "event": "pix.pagamento", "status": "liquidado",
     "endToEndId": "E…", "rtrId": "D…", "txid": "…", "valor": "12.34", "moeda": "BRL",
     "horario": "2026-11-23T14:05:09.080-03:00",
     "pagador": {"ispb": "…", "agencia": "…", "conta": "…", "tipoConta": "CACC",
                 "documento": "…", "chave": "…", "nome": "…"},
     "recebedor": {…}, "canal": "app", "dispositivo": {"id": "…", "so": "…"}, "ip": "…",
     "iniciacao": "DICT", "finalidade": "IPAY", "motivo": "AB03", "mensagem": "…"}

`event` is `pix.` and a category of `event.categories`; `status` is iniciado, aceito, liquidado or
rejeitado; capitals and white space around them do not matter, nor do capitals in names. `horario`
is the time of the event (without it, `timestamp` is). `pagador` is the party that gives the money
in this event: in an estorno, the party that returns it. All other fields of a line are kept.
docs/sources/system_log.md says what each field is.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from pixstream.errors import Refused
from pixstream.event.categories import Category
from pixstream.event.model import Draft, Flag, Person, Reason, Refusal
from pixstream.event.routing import TABLE
from pixstream.formats.json_body import Body, JsonFields
from pixstream.formats.spelling import Spelling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PERSON = {
    "ispb": "ispb",
    "branch": "agencia",
    "account": "conta",
    "account_type": "tipoConta",
    "document": "documento",
    "key": "chave",
    "name": "nome",
}
FIELDS: Mapping[str, str] = {
    "event": "event",
    "status": "status",
    "end_to_end_id": "endToEndId",
    "return_id": "rtrId",
    "txid": "txid",
    "amount": "valor",
    "currency": "moeda",
    "event_time": "horario",
    "source_time": "timestamp",
    "channel": "canal",
    "device_id": "dispositivo.id",
    "device_os": "dispositivo.so",
    "ip": "ip",
    "initiation": "iniciacao",
    "purpose": "finalidade",
    "reason": "motivo",
    "text": "mensagem",
    **{f"payer.{ours}": f"pagador.{theirs}" for ours, theirs in _PERSON.items()},
    **{f"payee.{ours}": f"recebedor.{theirs}" for ours, theirs in _PERSON.items()},
}
"""Our name of a field → its dotted path in a line."""

CONTENT_TYPE = "application/json"
_EVENT_PREFIX = "pix."
_MESSAGE_PREFIX = "log."
STATUSES = tuple(
    dict.fromkeys(
        rule.status for rule in TABLE if rule.status and rule.message.startswith(_MESSAGE_PREFIX)
    )
)
"""The words of `status`."""

EVENTS = tuple(_EVENT_PREFIX + category for category in Category)
"""The words of `event`."""

_CATEGORIES = frozenset(Category)
_TEXTS = ("text", "payer.name", "payee.name")


def parse(
    raw_line: bytes,
    fields: Mapping[str, str] | None = None,
    *,
    ignore_events: Sequence[str] = (),
    values: Mapping[str, Mapping[str, str]] | None = None,
    centavos: bool = False,
) -> Draft | Refusal | None:
    """Parse one line; ignore a byte order mark, and a carriage return at the end.

    Never raises.

    Args:
        raw_line: the line without its line feed.
        fields: dotted paths, by names of `FIELDS`, that replace the ones there. A path is first
            looked up as one name with dots in it, then level by level.
        ignore_events: prefixes of `event` that do not concern Pix, as `word` returns them.
        values: names of `FIELDS` → words of a line, as `word` returns them → what they mean here.
            A word that is replaced stays in `extra`.
        centavos: amounts are whole numbers of centavos; another amount stays in `extra`.

    Returns:
        None for a blank line and for an event that `ignore_events` matches.
    """
    if not raw_line.strip():
        return None
    try:
        paths = {**FIELDS, **fields} if fields else FIELDS
        return _read(raw_line, paths, ignore_events, values or {}, centavos=centavos)
    except Refused as refused:
        return Refusal(
            reason=refused.reason,
            message=refused.message.replace("body:", "line:"),
            raw=raw_line,
            content_type=CONTENT_TYPE,
        )


def word(text: str) -> str:
    """Return a word of an event or status as it is compared: in small letters, without spaces."""
    return text.strip().lower()


def _read(
    raw: bytes,
    paths: Mapping[str, str],
    ignore_events: Sequence[str],
    values: Mapping[str, Mapping[str, str]],
    *,
    centavos: bool,
) -> Draft | None:
    body = Body(raw)
    document = body.document
    if not isinstance(document, dict):
        raise Refused(Reason.NOT_A_PIX, "line: not a JSON object")
    known = _spelling(tuple(paths.values())).corrected(document)
    line = JsonFields(known)
    if known is not document:
        line.mark_irregular()
    found = {name: _text(line, path) for name, path in paths.items()}
    event = word(found["event"] or "")
    if event and event.startswith(tuple(ignore_events)):
        return None
    replaced = _replace(found, paths, values)
    if centavos and found["amount"]:
        reais = _reais(found["amount"])
        if reais is None:
            replaced[paths["amount"]] = found["amount"]
        found["amount"] = reais
    event = word(found.pop("event") or "")
    category = event.removeprefix(_EVENT_PREFIX)
    if category not in _CATEGORIES:
        raise _not_ours(event, paths["event"])
    if not (found["end_to_end_id"] or found["return_id"]):
        wanted = f"{paths['end_to_end_id']} and {paths['return_id']}"
        raise Refused(Reason.IDENTIFIER_MISSING, f"{wanted}: both absent")
    status = found.pop("status")
    texts = {paths[name]: text for name in _TEXTS if (text := found.pop(name))}
    payer, payee = _person(found, "payer."), _person(found, "payee.")
    currency = found.pop("currency")
    return Draft(
        message=f"{_MESSAGE_PREFIX}{category}",
        status=word(status) if status else None,
        event_time=found.pop("event_time") or found["source_time"],
        currency=currency or "BRL",
        payer=payer,
        payee=payee,
        flags=[
            *([Flag.SHAPE_IRREGULAR] if line.irregular else []),
            *([Flag.TEXT_REPAIRED] if body.repaired else []),
        ],
        texts=texts,
        extra=line.rest() | replaced,
        **found,
    )


@functools.lru_cache(maxsize=64)
def _spelling(paths: tuple[str, ...]) -> Spelling:
    below: dict[str, list[str]] = {}
    for outer, dot, rest in (path.partition(".") for path in paths):
        below.setdefault(outer, []).extend([rest] if dot else [])
    inner = {outer: _spelling(tuple(rests)) for outer, rests in below.items() if rests}
    return Spelling({*paths, *below}, inner)


def _replace(
    found: dict[str, str | None],
    paths: Mapping[str, str],
    values: Mapping[str, Mapping[str, str]],
) -> dict[str, str]:
    """Replace the words that have a meaning in `values`; return them, by their paths."""
    replaced = {}
    for name, meanings in values.items():
        text = found[name]
        meaning = meanings.get(word(text)) if text else None
        if text and meaning is not None:
            found[name] = meaning
            replaced[paths[name]] = text
    return replaced


def _reais(centavos: str) -> str | None:
    """Return a whole number of centavos in reais; None if it is not one."""
    text = centavos.strip()
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.zfill(3)
    return f"{digits[:-2]}.{digits[-2:]}"


def _text(line: JsonFields, path: str) -> str | None:
    if "." not in path:
        return line.text(path)
    if path in line and (whole := line.text(path)) is not None:
        return whole
    *above, name = path.split(".")
    for level in above:
        line = line.inner(level)
    return line.text(name)


def _person(found: dict[str, str | None], prefix: str) -> Person:
    own = {name: found.pop(prefix + name) for name in _PERSON if name != "name"}
    return Person(**own)


def _not_ours(event: str, path: str) -> Refused:
    if not event:
        return Refused(Reason.MESSAGE_UNKNOWN, f"{path}: absent")
    if event.startswith(_EVENT_PREFIX):
        known = ", ".join(EVENTS)
        return Refused(Reason.MESSAGE_UNKNOWN, f"{path}: a Pix event, but not one of {known}")
    return Refused(Reason.NOT_A_PIX, f"{path}: not a Pix event; add it to `ignore_events`")
