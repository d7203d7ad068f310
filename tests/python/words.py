"""Finds what the house rules for prose forbid in a Markdown text. Knows Markdown as the documents here use it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 40  # words of a sentence
MEAN = 25  # words of the sentences of a document
FENCE = re.compile(r"^\s*```.*?^\s*```\s*?$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+(?:\n[^`\n]+)?)`")
TAG = re.compile(r"<[^<>]+>")
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
SOURCE = re.compile(r"<img [^>]*src=\"([^\"]+)\"")
ITEM = re.compile(r"^\s*(?:[-*]|\d+\.) ")
HEADING = re.compile(r"^#+ ")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"*_)]*\s+(?=[\"*_(\[]*[A-Z0-9`\[])")
# Abbreviations whose full stop ends no sentence.
ABBREVIATION = re.compile(r"\b(?:et al|e\.g|i\.e|vs)\.")

CONSTRUCTIONS = {
    "'is no': write 'is not a'": re.compile(
        r"\b(?:is|are) no\b(?! (?:longer|more|less|later)\b)", re.IGNORECASE
    ),
    "'there is ... that': name the subject": re.compile(
        r"\bthere (?:is|are|was|were)\b[^.;:]*\bthat\b", re.IGNORECASE
    ),
    "'what was seen': write 'measured:'": re.compile(r"\bwhat (?:is|was|were) seen\b|\bSeen\b[: ]"),
    "'whoever': name the subject": re.compile(r"\b(?:whoever|whomever)\b", re.IGNORECASE),
    "'who does X may Y': name the subject": re.compile(
        r"[.;:] who\b|\bwho (?:\w+ ){1,6}may\b", re.IGNORECASE
    ),
    "a statement that begins with 'Who' or 'What': name the subject": re.compile(
        r"^[*_\"]*(?:Who|What)\b[^?]*$"
    ),
    "'neglect': write 'starvation monitor'": re.compile(r"\bneglect\b", re.IGNORECASE),
    "'incumbent': write 'active policy'": re.compile(r"\bincumbent\b", re.IGNORECASE),
    "'stretch': write 'non-preemptible section', or the time": re.compile(
        r"\bstretch(?:es)?\b", re.IGNORECASE
    ),
    "'company': write 'co-runners'": re.compile(r"\bcompany\b", re.IGNORECASE),
}
RIDDLE = re.compile(r"\b(?:it|whose)\b|\bone$", re.IGNORECASE)


@dataclass(frozen=True)
class Sentence:
    """One sentence or heading, with inline code and link targets taken out."""

    text: str
    is_heading: bool = False

    @property
    def words(self) -> int:
        """Words that are read aloud: anything with a letter or a digit."""
        return sum(any(c.isalnum() for c in word) for word in self.text.split())


def _blocks(text: str) -> Iterator[list[str]]:
    """Headings, paragraphs, items of lists and rows of tables. Indented code is left out."""
    block: list[str] = []
    in_code = False
    for line in FENCE.sub("", text).splitlines():
        starts = bool(HEADING.match(line) or ITEM.match(line) or line.startswith("|"))
        if block and (starts or not line.strip()):
            yield block
            block = []
        in_code = (in_code or not block) and line.startswith("    ") and not ITEM.match(line)
        if line.strip() and not in_code:
            block.append(line)
            if HEADING.match(line):
                yield block
                block = []
    if block:
        yield block


def plain(text: str) -> str:
    """As it is read aloud: code is one word, links are their text."""
    text = LINK.sub(r"\1", CODE.sub("Code", text))
    return ABBREVIATION.sub(lambda found: found.group().rstrip("."), TAG.sub("", text))


def sentences(text: str) -> Iterator[Sentence]:
    """Sentences and headings; tables and code are none."""
    for block in _blocks(text):
        if block[0].startswith("|"):
            continue
        joined = " ".join(line.strip() for line in block)
        if HEADING.match(joined):
            yield Sentence(plain(HEADING.sub("", joined)).strip(), True)
            continue
        for sentence in SENTENCE_END.split(plain(ITEM.sub("", joined))):
            yield Sentence(sentence.strip())


def cells(text: str) -> Iterator[str]:
    """Cells of tables: free in length, but held to the same constructions."""
    for block in _blocks(text):
        if block[0].startswith("|"):
            yield from (plain(cell).strip() for cell in block[0].strip().strip("|").split(" | "))


def faults(text: str) -> list[str]:
    """What is wrong with the sentences of a text, each with the sentence."""
    found = []
    counted = [sentence for sentence in sentences(text) if not sentence.is_heading]
    for sentence in counted:
        if sentence.words > LONGEST:
            found.append(f"{sentence.words} words: {sentence.text}")
    if counted and sum(s.words for s in counted) > MEAN * len(counted):
        found.append(f"more than {MEAN} words a sentence on average")
    for heading in (sentence.text for sentence in sentences(text) if sentence.is_heading):
        if RIDDLE.search(heading):
            found.append(f"a title names its subject: {heading}")
    for piece in [*(sentence.text for sentence in sentences(text)), *cells(text)]:
        found += [f"{name}: {piece}" for name, pattern in CONSTRUCTIONS.items() if pattern.search(piece)]
    return found


def links(text: str) -> list[str]:
    """Targets of links and images, without those in code."""
    text = CODE.sub("", FENCE.sub("", text))
    return [target for _, target in LINK.findall(text)] + SOURCE.findall(text)


def anchors(text: str) -> set[str]:
    """Names by which the headings of a text can be linked."""
    headings = (HEADING.sub("", line) for line in FENCE.sub("", text).splitlines() if HEADING.match(line))
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def paths(text: str, folders: set[str]) -> list[str]:
    """Paths in backticks that begin with one of the folders. Patterns, and files that a reader makes, are none."""
    words = (word for code in CODE.findall(FENCE.sub("", text)) for word in code.split())
    made = re.compile(r"[*<>{}$~=]|[A-Z]{4,}|\bmy_")
    return [word for word in words if "/" in word and word.split("/")[0] in folders and not made.search(word)]


def commands(text: str) -> list[str]:
    """Subcommands named after `./bulkhead`."""
    return re.findall(r"\./bulkhead ([a-z]+)", text)


def experiments(text: str) -> list[str]:
    """Experiments named after `./bulkhead run`; those of a reader's own are none."""
    return [name for name in re.findall(r"\./bulkhead run ([a-z]\w*)", text) if not name.startswith("my_")]
