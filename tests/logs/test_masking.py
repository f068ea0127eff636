import json
import logging
import sys
from random import Random

import pytest

from pixstream.event.identifiers import generate_cnpj, generate_cpf
from pixstream.logs import EcsFormatter, for_people

RNG = Random(6)


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("pixstream.x", logging.WARNING, "f.py", 1, message, arguments, None)


def test_a_document_in_a_message_is_masked() -> None:
    cpf, cnpj = generate_cpf(RNG), generate_cnpj(RNG)
    spelt = f"{cnpj[:2]}.{cnpj[2:5]}.{cnpj[5:8]}/{cnpj[8:12]}-{cnpj[12:]}"
    line = json.loads(EcsFormatter("spi").format(record("%s.xml and %s: moved", cpf, spelt)))
    assert line["message"].startswith(f"***{cpf[3:9]}**.xml and **.*{spelt[4:-2]}")
    assert line["message"].endswith("-**: moved")


def test_a_message_without_a_document_stays(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        for_people()
        root.handle(record("offset %d of %s", 12345678901234567890, "pix.dlq"))
    finally:
        root.handlers[:], root.level = before
    sys.stderr.flush()
    assert capfd.readouterr().err == "WARNING offset 12345678901234567890 of pix.dlq\n"
