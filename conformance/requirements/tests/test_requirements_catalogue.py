"""The catalogue of requirements and its audit, with made-up documents in place of the RFCs' texts."""

from textwrap import dedent

import pytest

from espproof.conformance.requirements import catalogue
from espproof.conformance.requirements.audit import AuditReport, audit, compare, fingerprint, recognise, sentences
from espproof.conformance.requirements.catalogue import Level, Source, load, parse
from espproof.reference.errors import Misuse

TEXT = """\
Working Group on Teapots                                       A. Potter
Request for Comments: 99999                                  August 2021

                      The Teapot Transfer Protocol

Abstract

   What is said up here MUST be ignored.

Table of Contents

   1. Pots MUST NOT Be Listed .........................................1
   2. Pouring .........................................................2

1.  Pots

   The key words "MUST", "SHOULD", and "MAY" in this document are to be
   interpreted as described in RFC 2119.

   A pot has a lid (see Section 2.1.  It is round).  Every pot, e.g.,
   Tom's i.e. the big one, MUST be warmed in Section 3.4. before use.
   Cold pots are sad.  Pots of a high-
   quality maker SHOULD be kept.

      +--------+----------+
      | MUST   | NOT MUST |
      +--------+----------+



Potter                       Informational                      [Page 1]
\f
RFC 99999                     Teapots                        August 2021


2.  Pouring

   The one who pours MUST:

   o  hold the lid, which MAY be hot, and

   2. never spill.  The cup MUST NOT overflow, however much the guest



Potter                       Informational                      [Page 2]
\f
RFC 99999                     Teapots                        August 2021


      asks for more.

2.1.  Milk and Sugar

   Milk is OPTIONAL.  Sugar is not.

Appendix A.  History

A.1.  Early Pots

   Early pots are NOT RECOMMENDED here.

3.  References

   [POT]  "You MUST read this", 1999.

Author's Address

   You MAY write to the author.
"""

NORMATIVE = {
    "Every pot, e.g., Tom's i.e. the big one, MUST be warmed in Section 3.4. before use.": ("1", 20),
    "Pots of a high-quality maker SHOULD be kept.": ("1", 22),
    "The one who pours MUST:": ("2", 38),
    "hold the lid, which MAY be hot, and": ("2", 40),
    "The cup MUST NOT overflow, however much the guest asks for more.": ("2", 42),
    "Milk is OPTIONAL.": ("2.1", 55),
    "Early pots are NOT RECOMMENDED here.": ("A.1", 61),
}


def entry(sentence: str, slug: str, **fields: str) -> str:
    section = NORMATIVE.get(sentence, ("1", 0))[0]
    base = {"id": f"RFC99999-{section}-{slug}", "section": section, "level": "MUST", "text": "Our words."}
    given = {**base, "fingerprint": fingerprint(sentence), "family": "format", "observe": "look at it", **fields}
    lines = [
        f"{name} = {value}" if value == "true" else f'{name} = "{value}"' for name, value in given.items() if value
    ]
    return "\n".join(["[[requirement]]", *lines])


def document(*entries: str, covered: str = '["*"]') -> Source:
    head = f'document = "RFC99999"\ntitle = "Teapots"\ncovered = {covered}\n'
    return parse(head + "\n".join(entries), "rfc99999.toml")


def whole(covered: str = '["*"]') -> Source:
    return document(*(entry(sentence, f"r{n}") for n, sentence in enumerate(NORMATIVE)), covered=covered)


def test_normative_sentences_are_found_with_section_and_line() -> None:
    """Each normative sentence comes out whole, once, with its section and the line where it begins."""
    found = {one.text: (one.section, one.line) for one in sentences(TEXT) if one.normative}
    assert found == NORMATIVE


def test_agreement_is_clean() -> None:
    """Text and catalogue that agree give an empty report that says how many sentences were compared."""
    assert compare(TEXT, whole()) == AuditReport("RFC99999", len(NORMATIVE), (), ())
    assert compare(TEXT, whole()).clean


@pytest.mark.parametrize("lost", NORMATIVE)
def test_sentence_without_entry_is_reported(lost: str) -> None:
    """Any one sentence that the catalogue lacks is reported with its place."""
    entries = [entry(one, f"r{n}") for n, one in enumerate(NORMATIVE) if one != lost]
    report = compare(TEXT, document(*entries))
    assert [(one.text, (one.section, one.line)) for one in report.missing_in_catalogue] == [(lost, NORMATIVE[lost])]
    assert not report.missing_in_text
    assert not report.clean


@pytest.mark.parametrize(("old", "new"), [("MUST NOT overflow", "MUST overflow"), ("OPTIONAL", "optional, really")])
def test_changed_sentence_is_reported_both_ways(old: str, new: str) -> None:
    """An entry whose sentence reads otherwise in the text is missing there, and the new sentence in the catalogue."""
    report = compare(TEXT.replace(old, new), whole())
    assert len(report.missing_in_text) == 1
    assert len(report.missing_in_catalogue) == int("MUST" in new)


def test_second_demand_of_a_sentence_shares_its_fingerprint() -> None:
    """Two entries of one sentence are both satisfied by it, and both missing without it."""
    milk = "Milk is OPTIONAL."
    source = document(entry(milk, "milk"), entry(milk, "no-milk"), covered='["2.1"]')
    assert compare(TEXT, source).clean
    assert compare(TEXT.replace("Milk", "Beer"), source).missing_in_text == (
        "RFC99999-2.1-milk",
        "RFC99999-2.1-no-milk",
    )


def test_only_covered_sections_count() -> None:
    """A catalogue that covers 2 and below is not asked for the sentences of 1 or of the appendix."""
    kept = [entry(one, f"r{n}") for n, (one, place) in enumerate(NORMATIVE.items()) if place[0][0] == "2"]
    assert compare(TEXT, document(*kept, covered='["2"]')).clean
    assert len(compare(TEXT, document(*kept)).missing_in_catalogue) == 3


def test_implied_entry_needs_its_sentence_too() -> None:
    """An implied rule is held against any sentence, one without a fingerprint (a table) against none."""
    plain = entry("Sugar is not.", "sugar", implied="true")
    table = entry("", "table", implied="true", fingerprint="")
    assert compare(TEXT, document(plain, table, covered='["9"]')).clean
    gone = compare(TEXT.replace("Sugar is not", "Sugar is"), document(plain, table, covered='["9"]'))
    assert gone.missing_in_text == ("RFC99999-1-sugar",)


LAYOUTS = {
    "other line ends": TEXT.replace("\n", "\r\n"),
    "byte order mark": "\ufeff" + TEXT,
    "no form feeds": TEXT.replace("\f", ""),
    "typographic quotes": TEXT.replace("'", "\u2019").replace('"MUST"', "\u201cMUST\u201d"),
    "other hyphen": TEXT.replace("high-\n", "high\u2010\n"),
    "unhyphenated": TEXT.replace("high-\n   quality", "high-quality\n  "),
    "one line": TEXT.replace("guest\n", "guest \n").replace("warmed in Section", "warmed   in Section"),
    "blank line inside of a sentence": TEXT.replace("Pots of a high-\n", "Pots of a high-\n\n"),
    "less indented": TEXT.replace("\n   ", "\n "),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_does_not_matter(layout: str) -> None:
    """The same words in another layout agree with the same catalogue."""
    report = compare(LAYOUTS[layout], whole())
    assert report.clean, report


def test_fingerprint_ignores_layout_but_not_words_and_numbers() -> None:
    """Case, quotes, dashes and spaces leave a fingerprint alone; a word, a digit, or an arithmetic sign does not."""
    base = fingerprint('A "window" of 2^32 - 1 MUST do.')
    assert len(base) == 16
    assert int(base, 16) >= 0
    assert fingerprint("a \u201cwindow\u201d  of\n2^32 \u2013 1 must do") == base
    assert base not in {fingerprint(f'A "window" of {text}.') for text in ("2^32 - 1 MAY do", "2^33 - 1 MUST do")}
    assert fingerprint("Tl < W") != fingerprint("Tl >= W")


@pytest.mark.parametrize("text", ["", "no RFC at all", "\x00\xff" * 3000, "RFC 99999 is quoted here", "\n" * 9])
def test_unrelated_text_is_misuse(text: str) -> None:
    """A file that is no RFC is refused in words that say so."""
    with pytest.raises(Misuse, match="does not look like the plain text of an RFC"):
        audit(text)


def test_other_document_is_misuse() -> None:
    """An RFC that the catalogue lacks, another one than was named, and a first page alone are each refused."""
    with pytest.raises(Misuse, match="no RFC99999; it has RFC4303, "):
        audit(TEXT)
    with pytest.raises(Misuse, match="this is the text of RFC99999, not of RFC4303"):
        audit(TEXT, "RFC4303")
    with pytest.raises(Misuse, match="no normative sentence found in this text of RFC4303"):
        audit("Request for Comments: 4303\n\n1.  Introduction\n\n   Nothing.\n", "RFC4303")
    assert recognise(TEXT.replace("99999", "04303")) == "RFC4303"


GOOD = {
    "id": "RFC99999-1-pot",
    "section": "1",
    "level": "MUST",
    "text": "Warm it.",
    "fingerprint": "0123456789abcdef",
    "family": "format",
    "observe": "look",
}

BROKEN = {
    "the id is not document, section, slug": {"id": "RFC99999-2-pot"},
    "the id is not document, section": {"id": "RFC99998-1-pot"},
    "not document, section, slug": {"id": "RFC99999-1-Pot"},
    "unknown level 'WILL'": {"level": "WILL"},
    "a fingerprint is 16 hex digits": {"fingerprint": "0123"},
    "only an implied requirement may lack a fingerprint": {"fingerprint": ""},
    "either waived, or observe and family": {"waived": "ike: negotiated"},
    "waived, or observe and family": {"observe": ""},
    "or observe and family": {"family": ""},
    "unknown family 'tea'": {"family": "tea"},
    "waived begins with one of ike, local-policy": {"waived": "never mind", "observe": "", "family": ""},
    "then a colon and why": {"waived": "ike: ", "observe": "", "family": ""},
    "unknown field colour": {"colour": "blue"},
    "no text": {"text": ""},
}


@pytest.mark.parametrize("complaint", BROKEN)
def test_broken_entry_is_refused(complaint: str) -> None:
    """Whatever is wrong with an entry, the error names the file, the entry and the fault."""
    fields = {**GOOD, **BROKEN[complaint]}
    with pytest.raises(Misuse, match=f"^rfc99999.toml: {fields['id']}: .*{complaint}"):
        document(entry("", "x", **fields))


NO_RFC = 'title = "Offload"\ncovered = ["*"]\ndocument = "LINUX.xfrm_device"\nurl = "https://docs.kernel.org/x.html"\n'


def test_a_document_need_not_be_an_rfc() -> None:
    """A kernel's documentation or a data sheet has sections with names, no fingerprints, and a place where it is read."""
    fields = {**GOOD, "id": "LINUX.xfrm_device-Flags.crypto-pot", "section": "Flags.crypto", "fingerprint": ""}
    found = parse(NO_RFC + entry("", "x", **fields), "linux.toml")
    assert (found.document, found.is_rfc, found.url) == ("LINUX.xfrm_device", False, "https://docs.kernel.org/x.html")
    assert [(one.document, one.section, one.fingerprint) for one in found.requirements] == [
        ("LINUX.xfrm_device", "Flags.crypto", ())
    ]
    with pytest.raises(Misuse, match="fingerprints are of RFCs"):
        parse(NO_RFC + entry("", "x", **{**fields, "fingerprint": GOOD["fingerprint"]}), "linux.toml")
    for wrong in ('document = "LINUX-device"', 'document = "linux"', 'document = "RFC99999"'):
        with pytest.raises(Misuse, match=r"is an RFC .* or has a name without a hyphen, and an url"):
            parse(NO_RFC.replace('document = "LINUX.xfrm_device"', wrong) + entry("", "x", **fields), "linux.toml")


def test_broken_file_is_refused() -> None:
    """An id used twice, a file without a head, a value of the wrong type and no TOML at all are named as such."""
    twin = entry("", "x", **GOOD)
    with pytest.raises(Misuse, match="the id RFC99999-1-pot is used twice"):
        document(twin, twin)
    with pytest.raises(Misuse, match=r"rfc1\.toml: without covered, document, requirement"):
        parse('title = "x"', "rfc1.toml")
    with pytest.raises(Misuse, match="text is no text"):
        document(twin.replace('"Warm it."', "7"))
    with pytest.raises(Misuse, match=r"rfc1\.toml: Expected"):
        parse("no toml", "rfc1.toml")


def test_the_catalogue_is_well_formed() -> None:
    """All files load; every id is unique, and each requirement is either waived or tells how it is observed."""
    every = [one for name in catalogue.documents() for one in catalogue.by_document(name)]
    assert len(load()) == len(every) > 500
    for one in every:
        assert (one.waived is None) == (one.observe is not None) == (one.family is not None), one.id
        assert one.id.startswith(f"{one.document}-{one.section}-")
        assert load()[one.id] is one
        assert one.text.endswith("."), one.id
        assert len(one.text) <= 160, one.id


def test_entries_are_in_the_order_of_their_sections() -> None:
    """Within a document the entries of a section stand together, so that a reader of the RFC finds them."""
    for name in catalogue.documents():
        sections = [one.section for one in catalogue.by_document(name)]
        turns = [here for before, here in zip(["", *sections], sections, strict=False) if here != before]
        assert len(turns) == len(set(turns)), f"{name}: {[one for one in turns if turns.count(one) > 1]}"


def test_levels_are_words() -> None:
    """`levels` gives the level of each id as it is printed."""
    assert catalogue.levels()["RFC4303-3.4.3-duplicate-rejected"] == "MUST"
    assert set(catalogue.levels().values()) == {level.value for level in Level}


def test_unknown_document_is_misuse() -> None:
    """Asking for a document that is not there names those that are."""
    with pytest.raises(Misuse, match="the catalogue has no RFC1; it has RFC4303, RFC4301"):
        catalogue.by_document("RFC1")


def test_no_text_of_an_rfc_is_copied() -> None:
    """Our wording of a requirement is never its sentence: it has another fingerprint."""
    for one in load().values():
        assert fingerprint(one.text) not in one.fingerprint, one.id


def test_made_up_text_is_as_wide_as_an_rfc() -> None:
    """The example keeps to 72 columns like the real thing."""
    assert max(len(line) for line in dedent(TEXT).splitlines()) == 72
