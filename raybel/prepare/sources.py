"""Where corpora and vocabularies are distributed: addresses, licences, what to cite."""

from __future__ import annotations

from dataclasses import dataclass

_DOGAN = "https://www.ncbi.nlm.nih.gov/CBBresearch/Dogan/DISEASE"
_MEDMENTIONS = "https://raw.githubusercontent.com/chanzuckerberg/MedMentions/master"
_MESH = "https://nlmpubs.nlm.nih.gov/projects/mesh"


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Args:
        url: The file's address.
        digest: Of its bytes, `sha256:` or `md5:` and hex digits; None where they may change or it isn't known.
        unpack: Whether the file is an archive to unpack.
    """

    url: str
    digest: str | None = None
    unpack: bool = False

    @property
    def name(self) -> str:
        """The file's name, the last part of its address."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Download:
    """A corpus or a vocabulary that can be fetched.

    Args:
        title: Its name for people.
        files: Its files.
        licence: Its licence, in a phrase.
        citation: What to cite.
        prepare_command: The command that prepares it, with `{dir}` for the directory of all downloads; "" where it is
            prepared with a corpus.
    """

    title: str
    files: tuple[RemoteFile, ...]
    licence: str
    citation: str
    prepare_command: str


@dataclass(frozen=True)
class Dump:
    """A corpus in many large files, which a server's directory lists.

    Args:
        title: Its name for people.
        url: The directory's address, with a slash at its end.
        pattern: Regular expression of a file's whole name: the group `number` is what files are chosen by, the group
            `release`, where there is one, is the release that they are of.
        licence: Its licence, in a phrase.
        citation: What to cite.
        next_command: What comes next, with `{dir}` for the dump's directory.
    """

    title: str
    url: str
    pattern: str
    licence: str
    citation: str
    next_command: str


def _medmentions(subset: str) -> tuple[RemoteFile, ...]:
    lists = (f"{_MEDMENTIONS}/full/data/corpus_pubtator_pmids_{name}.txt" for name in ("trng", "dev", "test"))
    return (RemoteFile(f"{_MEDMENTIONS}/{subset}/data/corpus_pubtator.txt.gz"), *map(RemoteFile, lists))


def _mesh(year: int) -> Download:
    return Download(
        f"MeSH {year}, descriptors and supplementary concepts",
        tuple(RemoteFile(f"{_MESH}/{year}/xmlmesh/{start}{year}.xml") for start in ("desc", "supp")),
        "NLM's terms: https://www.nlm.nih.gov/databases/download/terms_and_conditions.html",
        f"Medical Subject Headings {year}, U.S. National Library of Medicine",
        "",
    )


#: What `raybel fetch` fetches, by the name that it is given there.
DOWNLOADS = {
    "ncbi-disease": Download(
        "NCBI Disease corpus",
        (
            RemoteFile(
                f"{_DOGAN}/NCBItrainset_corpus.zip",
                "sha256:26157233d70aeda0b2ac1dda4fc9369b0717bd888f5afe511d0c1c6a5ad307a0",
                True,
            ),
            RemoteFile(
                f"{_DOGAN}/NCBIdevelopset_corpus.zip",
                "sha256:61681ad09356619c8f4f3e1738663dd007ad0135720fdc90195120fea944cbe9",
                True,
            ),
            RemoteFile(
                f"{_DOGAN}/NCBItestset_corpus.zip",
                "sha256:b978442f39c739deb6619c70e7b07327d9eb1b71aff64996c02a592435583f46",
                True,
            ),
        ),
        "public domain (a work of the U.S. government)",
        "Dogan, Leaman, Lu: NCBI disease corpus. Journal of Biomedical Informatics 47 (2014)",
        "raybel prepare ncbi-disease --ncbidisease-dir {dir}/ncbi-disease "
        "--ctd-medic-diseases {dir}/ctd-medic/CTD_diseases.tsv.gz --out-dir data",
    ),
    "bc5cdr": Download(
        "BC5CDR, chemicals and diseases",
        (RemoteFile("https://ftp.ncbi.nlm.nih.gov/pub/lu/BC5CDR/CDR_Data.zip", unpack=True),),
        "public domain",
        "Li et al.: BioCreative V CDR task corpus. Database (2016)",
        "raybel prepare bc5cdr --bc5cdr-dir {dir}/bc5cdr/CDR_Data/CDR.Corpus.v010516 "
        "--mesh2015-dir {dir}/mesh2015 --out-dir data",
    ),
    "nlm-chem": Download(
        "NLM-Chem, chemicals in full texts",
        (
            RemoteFile(
                "https://zenodo.org/records/4628233/files/NLM-Chem-corpus.zip",
                "md5:5400a07d69b211a02c9f026f5eb54ebe",
                True,
            ),
        ),
        "CC0 1.0",
        "Islamaj et al.: NLM-Chem. Scientific Data 8 (2021)",
        "raybel prepare nlm-chem --nlmchem-dir {dir}/nlm-chem/FINAL_v1 --mesh2021-dir {dir}/mesh2021 --out-dir data",
    ),
    "medmentions-full": Download(
        "MedMentions, all annotations",
        _medmentions("full"),
        "CC0 1.0 (UMLS itself needs a licence)",
        "Mohan, Li: MedMentions. AKBC (2019)",
        "raybel prepare medmentions --medmentions-dir {dir}/medmentions-full --out-dir data",
    ),
    "medmentions-st21pv": Download(
        "MedMentions, the subset ST21pv",
        _medmentions("st21pv"),
        "CC0 1.0 (UMLS itself needs a licence)",
        "Mohan, Li: MedMentions. AKBC (2019)",
        "raybel prepare medmentions --medmentions-dir {dir}/medmentions-st21pv --out-dir data",
    ),
    "ctd-medic": Download(
        "MEDIC, CTD's vocabulary of diseases",
        (RemoteFile("https://ctdbase.org/reports/CTD_diseases.tsv.gz"),),
        "CTD's terms: https://ctdbase.org/about/legal.jsp",
        "Davis, Wiegers, Rosenstein, Mattingly: MEDIC. Database (2012)",
        "",
    ),
    "mesh2015": _mesh(2015),
    "mesh2021": _mesh(2021),
}
_PUBMED_FILE = r"pubmed(?P<release>\d{2})n(?P<number>\d{4,5})\.xml\.gz"
_NLM_TERMS = "NLM's terms: https://www.nlm.nih.gov/databases/download/terms_and_conditions.html"
#: Dumps that `raybel fetch` fetches, by the name that they are given there.
DUMPS = {
    "pubmed-baseline": Dump(
        "PubMed, the yearly baseline",
        "https://ftp.ncbi.nlm.nih.gov/pubmed/baseline/",
        _PUBMED_FILE,
        _NLM_TERMS,
        "PubMed, U.S. National Library of Medicine",
        "raybel pubmed --in-corpus {dir} ...",
    ),
    "pubmed-updates": Dump(
        "PubMed, the daily updates since the baseline",
        "https://ftp.ncbi.nlm.nih.gov/pubmed/updatefiles/",
        _PUBMED_FILE,
        _NLM_TERMS,
        "PubMed, U.S. National Library of Medicine",
        "raybel pubmed --in-corpus {dir} ...",
    ),
    "pubtator3": Dump(
        "PubTator 3, annotated abstracts and full texts",
        "https://ftp.ncbi.nlm.nih.gov/pub/lu/PubTator3/",
        r"BioCXML\.(?P<number>\d{1,2})\.tar\.gz",
        "annotations: public domain; texts: NLM's terms for abstracts, an article's own licence for its full text",
        "Wei et al.: PubTator 3.0. Nucleic Acids Research 52 (2024)",
        "raybel link --in-corpus {dir} --gold-infon identifier ...",
    ),
}
UMLS_INSTRUCTIONS = (
    "UMLS can't be fetched without a licence, which NLM gives for free:\n"
    "  1. an account and licence: https://uts.nlm.nih.gov/uts/signup-login\n"
    "  2. a release (MedMentions was annotated with 2017AA): https://www.nlm.nih.gov/research/umls/licensedcontent/"
    "umlsknowledgesources.html\n"
    "  3. its META directory, as MetamorphoSys writes it or from the Metathesaurus files alone\n"
    "  4. raybel prepare umls --umls META --out umls.arrow"
)
