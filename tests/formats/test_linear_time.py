"""No body, file or line costs more than its length: the CPU of every parser grows as its input."""

import gc
import json
import time
from collections.abc import Callable, Iterator

import pytest

from pixstream.event.model import Draft, Refusal, encode
from pixstream.formats import api_pix, log_line, spi
from pixstream.formats.log_wrapping import Unwrapper

E2E = "E99999010202611201400b7oFx8SLEq0"
RTR = "D99999004202611201401x7oFx8SLEq0"
PIX = {"endToEndId": E2E, "valor": "1.00"}
RETURN = {"id": "1", "rtrId": RTR, "valor": "0.10", "status": "DEVOLVIDO"}
BYTES = 200_000
ATTEMPTS = 5
GROWTH = 2.5
SECONDS_PER_MEGABYTE = 2.0

Parse = Callable[[bytes], Iterator[Draft | Refusal]]
Shape = Callable[[int], bytes]


def repeated(piece: str, size: int, before: str, after: str, between: str = ",") -> bytes:
    """Return `before`, as many pieces as fit into `size` bytes, and `after`."""
    count = max(1, size // (len(piece) + len(between)))
    return (before + between.join([piece] * count) + after).encode()


def numbered(size: int, name: str = "k") -> dict[str, int]:
    """Return as many fields as fit into `size` bytes."""
    return {f"{name}{number}": number for number in range(max(1, size // 16))}


def pix(**more: object) -> str:
    return json.dumps({"pix": [{**PIX, **more}]})


def returns(piece: object) -> Shape:
    before, _, after = pix(devolucoes=["here"]).partition('"here"')
    return lambda size: repeated(json.dumps(piece), size, before, after)


JSON_SHAPES: dict[str, Shape] = {
    "empty returns": returns({}),
    "returns that are no objects": returns(1),
    "returns": returns(RETURN),
    "returns of a Pix with many fields": lambda size: json.dumps(
        {"pix": [{**PIX, **numbered(size // 2), "devolucoes": [RETURN] * (size // 200)}]}
    ).encode(),
    "lists of returns": returns([[[[RETURN]]]]),
    "many Pix": lambda size: repeated(json.dumps(PIX), size, '{"pix":[', "]}"),
    "empty Pix": lambda size: repeated("{}", size, '{"pix":[', "]}"),
    "no objects": lambda size: repeated("1", size, '{"pix":[', "]}"),
    "envelopes": lambda size: repeated(json.dumps({"pix": [PIX], "a": 1}), size, "[", "]"),
    "envelopes without a Pix": lambda size: repeated('{"pix":[{}],"a":1}', size, "[", "]"),
    "an envelope with many fields": lambda size: json.dumps(
        {"pix": [PIX] * (size // 200), **numbered(size // 2)}
    ).encode(),
    "many fields": lambda size: pix(**numbered(size)).encode(),
    "one name again and again": lambda size: repeated('"a":[1,2]', size, '{"pix":[{', "}]}"),
    "objects under one name": lambda size: repeated(
        '"devolucoes":[{}]', size, f'{{"pix":[{{"endToEndId":"{E2E}",', "}]}"
    ),
    "a long text": lambda size: pix(infoPagador="x" * size).encode(),
    "halves of characters": lambda size: (
        pix(infoPagador="here").replace("here", "\\ud800" * (size // 6)).encode()
    ),
    "bytes that are not UTF-8": lambda size: (
        pix(infoPagador="here").encode().replace(b"here", b"\xe3" * size)
    ),
    "names in capitals": lambda size: json.dumps(
        {"pix": [{**PIX, "TXID": "a", **{f"Chave{n}": n for n in range(size // 20)}}]}
    ).encode(),
    "backslashes": lambda size: pix(infoPagador="\\" * (size // 2)).encode(),
    "a long number": lambda size: pix(valor=0).replace(": 0", ": " + "9" * size).encode(),
    "a long fraction": lambda size: pix(valor=0).replace(": 0", ": 0." + "9" * size).encode(),
    "open brackets": lambda size: b"[" * size,
    "open objects": lambda size: b'{"a":' * (size // 5),
    "lists in lists": lambda size: repeated("[" * 30 + "]" * 30, size, "[", "]"),
    "blanks": lambda size: b" " * size + pix().encode(),
    "cut off": lambda size: repeated(json.dumps(PIX), size, '{"pix":[', ""),
}

HEADER = (
    "<GrpHdr><MsgId>M99999004abc</MsgId><CreDtTm>2026-11-20T14:00:00Z</CreDtTm>"
    "<NbOfTxs>1</NbOfTxs>{}</GrpHdr>"
)
UNIT = f"<CdtTrfTxInf><PmtId><EndToEndId>{E2E}</EndToEndId></PmtId>{{}}</CdtTrfTxInf>"


def pacs_008(units: str, header: str = "", before: str = "") -> tuple[str, str]:
    """Return what stands before and after `here` in a message."""
    text = (
        f"{before}<Document><FIToFICstmrCdtTrf>{HEADER.format(header)}{units}</FIToFICstmrCdtTrf>"
        "</Document>"
    )
    start, _, end = text.partition("here")
    return start, end


def xml(piece: str, *place: str) -> Shape:
    before, after = pacs_008(*place)
    return lambda size: repeated(piece, size, before, after, between="")


def wide_header(size: int) -> bytes:
    units = UNIT.format("") * (size // 2 // len(UNIT))
    before, after = pacs_008(units, header="here")
    return repeated("<X>value</X>", size // 2, before, after, between="")


def wide_entry(size: int) -> bytes:
    refs = f"<TxDtls><Refs><EndToEndId>{E2E}</EndToEndId></Refs></TxDtls>"
    before, _, after = (
        "<Document><BkToCstmrDbtCdtNtfctn><Ntfctn><A>here</A><Ntry><CdtDbtInd>CRDT</CdtDbtInd>"
        "<Sts>BOOK</Sts><B>here</B><NtryDtls>here</NtryDtls></Ntry></Ntfctn>"
        "</BkToCstmrDbtCdtNtfctn></Document>"
    ).partition("here")
    text = before + "x" * (size // 4) + after
    text = text.replace("here", "<X>value</X>" * (size // 4 // 12), 1)
    return text.replace("here", refs * (size // 2 // len(refs))).encode()


MESSAGE = "".join(pacs_008(UNIT.format("")))
PART = f"--b\nContent-Type: application/xml\n\n{MESSAGE}\n"

XML_SHAPES: dict[str, Shape] = {
    "transactions": xml(UNIT.format(""), "here"),
    "transactions without an identifier": xml("<CdtTrfTxInf><A>1</A></CdtTrfTxInf>", "here"),
    "transactions in a transaction": xml(UNIT.format(""), UNIT.format("here")),
    "elements of one name": xml("<A>1</A>", UNIT.format("here")),
    "debtors": xml("<Dbtr><Nm>x</Nm></Dbtr>", UNIT.format("here")),
    "a wide header": wide_header,
    "attributes": lambda size: (
        "<Document><FIToFICstmrCdtTrf>"
        + " ".join(["<A", *(f'a{n}="1"' for n in range(size // 12)), "/>"])
        + UNIT.format("")
        + "</FIToFICstmrCdtTrf></Document>"
    ).encode(),
    "a long text": xml("x", UNIT.format("<RmtInf><Ustrd>here</Ustrd></RmtInf>")),
    "comments": xml("<!-- -->", UNIT.format("here")),
    "comments before": xml("<!-- -->", UNIT.format(""), "", "here"),
    "entities": xml("&amp;", UNIT.format("<RmtInf><Ustrd>here</Ustrd></RmtInf>")),
    "open elements": lambda size: b"<a>" * (size // 3),
    "blanks": lambda size: b" " * size + "".join(pacs_008(UNIT.format(""))).encode(),
    "namespaces": xml('<A xmlns="u"/>', UNIT.format("here")),
    "a long identifier of the message": lambda size: wide_header(size).replace(
        b"M99999004abc", b"M" * (size // 4)
    ),
    "an entry with many fields": wide_entry,
    "parts": lambda size: repeated(PART, size, "", "--b--", between=""),
    "empty parts": lambda size: repeated("--b\n\n\n", size, "", "--b--", between=""),
    "parts without an end": lambda size: repeated("--b\nX:y\n", size, "", "", between=""),
    "headers of a part": lambda size: repeated("X: y\n", size, "--b\n", "\n\n--b--", between=""),
    "folded headers of a part": lambda size: repeated(" y\n", size, "--b\nX:\n", "", between=""),
}

LINE = {"event": "pix.recebimento", "end_to_end_id": E2E, "amount": "1.00"}
LINE_SHAPES: dict[str, Shape] = {
    "many fields": lambda size: json.dumps({**LINE, **numbered(size)}).encode(),
    "a long text": lambda size: json.dumps({**LINE, "text": "x" * size}).encode(),
    "dots": lambda size: json.dumps({**LINE, "payer": {"." * size: 1}}).encode(),
    "one name again and again": lambda size: repeated('"event":"a"', size, "{", "}"),
    "NULs": lambda size: b"\0" * size + json.dumps(LINE).encode(),
}


WRAPPED_SHAPES: dict[str, tuple[str, Shape]] = {
    "parts without an end": ("cri", lambda size: repeated("t stdout P x", size, "", "", "\n")),
    "parts": ("cri", lambda size: repeated("t stdout P x", size, "", "\nt stdout F x", "\n")),
    "a long part": ("cri", lambda size: b"t stdout F " + b"x" * size),
    "structured data": (
        "syslog",
        lambda size: repeated('[a b="c"]', size, "<1>1 - - - - - ", " {}", ""),
    ),
    "structured data that is open": (
        "syslog",
        lambda size: repeated('"a"', size, "<1>1 - - - - - [", "", ""),
    ),
    "spaces": ("syslog", lambda size: b"<1>1 " + b" " * size),
    "braces": ("prefix", lambda size: b"{" * size),
    "parts of Docker": ("docker", lambda size: repeated('{"log":"{"}', size, "", "", "\n")),
    "a deep path": ("json:" + "a." * 1000, lambda size: b'{"a":' * (size // 5)),
}


def unwrapping(wrapping: str) -> Parse:
    def parse(raw: bytes) -> Iterator[Draft | Refusal]:
        unwrapper = Unwrapper(wrapping, 2 * BYTES)
        for line in raw.split(b"\n"):
            for whole in [*unwrapper.take(line, 0)]:
                yield Refusal(reason="", message="", raw=whole.raw)
        for whole in unwrapper.rest():
            yield Refusal(reason="", message="", raw=whole.raw)

    return parse


def lines(raw: bytes) -> Iterator[Draft | Refusal]:
    found = log_line.parse(raw)
    if found is not None:
        yield found


SHAPES = [
    pytest.param(parse, shape, id=f"{name}: {what}")
    for name, parse, shapes in (
        ("api_pix", api_pix.parse, JSON_SHAPES),
        ("spi", spi.parse, XML_SHAPES),
        ("log_line", lines, LINE_SHAPES),
    )
    for what, shape in shapes.items()
] + [
    pytest.param(unwrapping(wrapping), shape, id=f"log_wrapping: {what}")
    for what, (wrapping, shape) in WRAPPED_SHAPES.items()
]


def cpu(parse: Parse, raw: bytes) -> float:
    """Return the CPU seconds of the quickest of three readings, of this thread alone, without the
    cycle collector's.

    The collector works in steps that grow with what the whole test run has allocated.
    """
    spent = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            before = time.thread_time()
            for _ in parse(raw):
                pass
            spent.append(time.thread_time() - before)
    finally:
        gc.enable()
    return min(spent)


@pytest.mark.parametrize(("parse", "shape"), SHAPES)
def test_twice_the_input_takes_about_twice_the_cpu(parse: Parse, shape: Shape) -> None:
    once, twice = cpu(parse, shape(BYTES)), cpu(parse, shape(2 * BYTES))
    attempts = 1
    # What takes next to nothing says nothing about growth, and a busy machine less.
    while twice > GROWTH * max(once, 0.005) and attempts < ATTEMPTS:
        once, twice = cpu(parse, shape(BYTES)), cpu(parse, shape(2 * BYTES))
        attempts += 1
    assert twice <= GROWTH * max(once, 0.005)
    assert twice <= SECONDS_PER_MEGABYTE * 2 * BYTES / 1e6


@pytest.mark.parametrize(("parse", "shape"), SHAPES)
def test_what_is_kept_of_a_body_is_about_as_much_as_the_body(parse: Parse, shape: Shape) -> None:
    """A refusal keeps its bytes: many of them must not keep the same ones."""
    raw = shape(BYTES)
    kept = sum(len(found.raw) for found in parse(raw) if isinstance(found, Refusal))
    assert kept <= 3 * len(raw) + 1000


@pytest.mark.parametrize(("parse", "shape"), SHAPES)
def test_the_events_of_a_body_are_about_as_much_as_the_body(parse: Parse, shape: Shape) -> None:
    """What many events share must not be copied into each of them."""
    raw = shape(BYTES)
    drafts = [found for found in parse(raw) if isinstance(found, Draft)]
    assert sum(len(encode(draft)) for draft in drafts) <= 3 * len(raw) + 1000 * (len(drafts) + 1)
