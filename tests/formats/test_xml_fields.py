"""XML read by local names, with nothing left unaccounted."""

import pytest
from lxml import etree

from pixstream.errors import Refused
from pixstream.event.model import Flag, Reason
from pixstream.formats.xml_fields import XmlFields, elements, skeleton


def fields(text: str, *without: str) -> XmlFields:
    return XmlFields(etree.fromstring(text), without)


def test_texts_are_taken_by_path_and_the_rest_keeps_its_form() -> None:
    found = fields('<a xmlns="urn:a"><b><c> 1 </c><d/></b><e u="x">2</e><f>3</f><f>4</f></a>')
    assert found.take("b/c") == "1"
    assert found.take("b/c") is None
    assert found.take("e/@u") == "x"
    assert found.take("nothing", "e") == "2"
    assert found.rest() == {"f": ["3", "4"]}
    assert found.flags == []


def test_a_second_text_at_a_path_is_flagged_and_kept() -> None:
    found = fields("<a><b><c>1</c></b><b><c>2</c><d>3</d></b></a>")
    assert found.take("b/c") == "1"
    assert found.flags == [Flag.SHAPE_IRREGULAR]
    assert found.rest() == {"b": [{"d": "3"}], "b/c": ["2"]}


def test_all_texts_at_a_path_are_no_irregularity() -> None:
    found = fields("<a><b>1</b><b/><b>2</b></a>")
    assert found.take_all("b") == ["1", "2"]
    assert (found.flags, found.rest()) == ([], {})


def test_what_an_element_holds_beside_its_text_stays() -> None:
    found = fields('<a><b u="x">1<c>2</c></b></a>')
    assert found.take("b") == "1"
    assert found.rest() == {"b": {"@u": "x", "c": "2"}}


def test_elements_are_left_out_at_any_depth() -> None:
    assert fields("<a><b><c>1</c><d>2</d></b><c>3</c></a>", "c").rest() == {"b": {"d": "2"}}


def test_no_element_has_no_fields() -> None:
    assert XmlFields(None).take("a") is None
    assert XmlFields(None).rest() == {}


def test_a_skeleton_keeps_the_frame_and_empties_the_rest() -> None:
    root = skeleton(b"<a><h>1</h><t><x>2</x></t><t><x>3</x></t></a>", ["t"])
    assert etree.tostring(root) == b"<a><h>1</h><t/><t/></a>"


def test_elements_come_one_by_one() -> None:
    texts = [e.findtext("x") for e in elements(b"<a><t><x>2</x></t><t><x>3</x></t></a>", "t")]
    assert texts == ["2", "3"]


def test_a_refusal_names_the_line_and_repeats_nothing() -> None:
    with pytest.raises(Refused) as refused:
        skeleton(b"<a>\n<secret>\n</a>", ["t"])
    assert refused.value.reason == Reason.MALFORMED_XML
    assert "line 3" in refused.value.message
    assert "secret" not in refused.value.message
