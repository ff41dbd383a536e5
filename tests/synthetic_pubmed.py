"""Synthetic PubMed baseline files: the layout, the elements and the size of real ones, around any texts."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from isal import igzip

#: A title and the parts of its abstract: one is unlabelled, several are labelled, none is no abstract.
Text = tuple[str, Sequence[str]]

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January '
    '2019//EN" "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_190101.dtd">\n<PubmedArticleSet>\n'
)
LABELS = ("BACKGROUND", "OBJECTIVE", "METHODS", "RESULTS", "CONCLUSIONS")
NAMES = ("Nguyen", "García", "Müller", "Okafor", "Tanaka", "Rossi", "Ivanova", "O'Neill", "Çelik", "Lindström")
PLACES = ("Hanoi, Vietnam", "Granada, Spain", "Köln, Germany", "Enugu, Nigeria", "Kobe, Japan", "Lund, Sweden")
FIELDS = ("Internal Medicine", "Nephrology & Dialysis", "Human Genetics", "Respiratory Care", "Clinical Chemistry")
WORDS = (
    *("expression", "clinical", "trial", "of", "the", "in", "patients", "with", "renal", "disease", "outcome"),
    *("risk", "a", "gene", "study", "and", "cohort"),
)


def write_baseline(path: Path | str, first_pmid: int, articles: int, seed: int, texts: Iterable[Text]) -> int:
    """Write a file of articles with PMIDs from `first_pmid` on, as a stream; the same arguments give the same bytes.

    Args:
        path: Where to write; gzipped.
        first_pmid: PMID of the first article.
        articles: Their number.
        seed: Decides everything but the texts.
        texts: Plain texts of the articles, taken anew from the first where there are fewer.

    Returns:
        Bytes of the file before it is compressed.
    """
    choices, size = random.Random(seed), 0
    with open(path, "wb") as raw, igzip.IGzipFile("", "wb", 2, raw, 0) as file:
        articles_xml = (
            article(pmid, *text, choices)
            for pmid, text in zip(range(first_pmid, first_pmid + articles), itertools.cycle(texts), strict=False)
        )
        for piece in itertools.chain((HEAD,), articles_xml, ("</PubmedArticleSet>\n",)):
            size += file.write(piece.encode())
    return size


def article(pmid: int, title: str, parts: Sequence[str], choices: random.Random) -> str:
    """One article, of about 11,000 bytes around an abstract of 1,500."""
    year, doi = str(choices.randint(1990, 2025)), f"10.1000/j.{pmid}"
    electronic = ' DateType="Electronic"'
    return "".join(
        (
            f'<PubmedArticle><MedlineCitation Status="MEDLINE" IndexingMethod="Manual" Owner="NLM">'
            f'<PMID Version="1">{pmid}</PMID>{_date("DateCompleted", choices)}{_date("DateRevised", choices)}',
            f'<Article PubModel="Print-Electronic"><Journal><ISSN IssnType="Electronic">1000-{pmid % 10000:04d}</ISSN>'
            f'<JournalIssue CitedMedium="Internet"><Volume>{choices.randint(1, 200)}</Volume><Issue>3</Issue><PubDate>'
            f"<Year>{year}</Year><Month>Mar</Month></PubDate></JournalIssue><Title>The journal of synthetic medicine"
            "</Title><ISOAbbreviation>J Synth Med</ISOAbbreviation></Journal>",
            f"<ArticleTitle>{_marked_up(title, choices)}</ArticleTitle><Pagination><StartPage>181</StartPage><EndPage>9"
            f"</EndPage><MedlinePgn>181-9</MedlinePgn></Pagination><ELocationID "
            f'EIdType="doi" ValidYN="Y">{doi}</ELocationID>',
            _abstract(parts, choices),
            '<AuthorList CompleteYN="Y">',
            *(_author(choices) for _ in range(choices.randint(2, 9))),
            "</AuthorList><Language>eng</Language>",
            '<GrantList CompleteYN="Y"><Grant><GrantID>R01 HL000001</GrantID><Acronym>HL</Acronym><Agency>NHLBI NIH HHS'
            "</Agency><Country>United States</Country></Grant></GrantList><PublicationTypeList>"
            '<PublicationType UI="D016428">Journal Article</PublicationType><PublicationType UI="D013485">Research '
            "Support, Non-U.S. Gov't</PublicationType></PublicationTypeList>",
            f"{_date('ArticleDate', choices, electronic)}</Article><MedlineJournalInfo><Country>England"
            f"</Country><MedlineTA>J Synth Med</MedlineTA><NlmUniqueID>101{pmid % 10000:04d}</NlmUniqueID><ISSNLinking>"
            f"1000-{pmid % 10000:04d}</ISSNLinking></MedlineJournalInfo><ChemicalList>",
            *(
                f'<Chemical><RegistryNumber>0</RegistryNumber><NameOfSubstance UI="{_ui(choices)}">{_words(choices, 2)}'
                "</NameOfSubstance></Chemical>"
                for _ in range(choices.randint(1, 5))
            ),
            "</ChemicalList><CitationSubset>IM</CitationSubset><MeshHeadingList>",
            *(_heading(choices) for _ in range(choices.randint(6, 16))),
            '</MeshHeadingList><KeywordList Owner="NOTNLM">',
            *(f'<Keyword MajorTopicYN="N">{_words(choices, 2)}</Keyword>' for _ in range(5)),
            "</KeywordList></MedlineCitation><PubmedData><History>",
            *(_date("PubMedPubDate", choices, f' PubStatus="{status}"') for status in ("received", "entrez", "pubmed")),
            f'</History><PublicationStatus>ppublish</PublicationStatus><ArticleIdList><ArticleId IdType="pubmed">{pmid}'
            f'</ArticleId><ArticleId IdType="pmc">PMC{pmid}</ArticleId><ArticleId IdType="doi">{doi}</ArticleId>'
            "</ArticleIdList><ReferenceList>",
            *(_reference(choices) for _ in range(choices.choice((0, 0, 20, 40)))),
            "</ReferenceList></PubmedData></PubmedArticle>\n",
        )
    )


def _abstract(parts: Sequence[str], choices: random.Random) -> str:
    if not parts:
        return ""
    tags = itertools.cycle(f' Label="{label}" NlmCategory="{label}"' if len(parts) > 1 else "" for label in LABELS)
    written = (f"<AbstractText{tag}>{_marked_up(part, choices)}</AbstractText>" for tag, part in zip(tags, parts))  # noqa: B905
    return f"<Abstract>{''.join(written)}<CopyrightInformation>© The Authors.</CopyrightInformation></Abstract>"


def _marked_up(text: str, choices: random.Random) -> str:
    """A text with a word of it in italics, in one of four."""
    words = escape(text).split(" ")
    if choices.random() < 0.25:
        place = choices.randrange(len(words))
        words[place] = f"<i>{words[place]}</i>"
    return " ".join(words)


def _date(name: str, choices: random.Random, attributes: str = "") -> str:
    year, month, day = choices.randint(1990, 2025), choices.randint(1, 12), choices.randint(1, 28)
    return f"<{name}{attributes}><Year>{year}</Year><Month>{month:02d}</Month><Day>{day:02d}</Day></{name}>"


def _author(choices: random.Random) -> str:
    affiliation = f"Department of {choices.choice(FIELDS)}, University Hospital, {choices.choice(PLACES)}."
    return (
        f'<Author ValidYN="Y"><LastName>{choices.choice(NAMES)}</LastName><ForeName>A B</ForeName>'
        f"<Initials>AB</Initials><AffiliationInfo><Affiliation>{escape(affiliation)}</Affiliation></AffiliationInfo></Author>"
    )


def _heading(choices: random.Random) -> str:
    return (
        f'<MeshHeading><DescriptorName UI="{_ui(choices)}" MajorTopicYN="N">{_words(choices, 2)}</DescriptorName>'
        f'<QualifierName UI="Q000453" MajorTopicYN="Y">epidemiology</QualifierName></MeshHeading>'
    )


def _reference(choices: random.Random) -> str:
    return (
        f"<Reference><Citation>{choices.choice(NAMES)} A, {choices.choice(NAMES)} B. {_words(choices, 12)}. "
        f'J Synth Med. {choices.randint(1970, 2025)};12(3):45-67.</Citation><ArticleIdList><ArticleId IdType="pubmed">'
        f"{choices.randint(1, 40_000_000)}</ArticleId></ArticleIdList></Reference>"
    )


def _ui(choices: random.Random) -> str:
    return f"D{choices.randrange(70_000):06d}"


def _words(choices: random.Random, count: int) -> str:
    return " ".join(choices.choices(WORDS, k=count))


def made_up_texts(seed: int, count: int) -> Iterator[Text]:
    """Texts of the words above: of four abstracts two are unlabelled, one is structured, one is missing."""
    choices = random.Random(seed)
    for number in range(count):
        lengths = ((220,), (55, 60, 70, 35), (), (180,))[number % 4]
        yield _words(choices, 14).capitalize() + ".", [_words(choices, length) + "." for length in lengths]
