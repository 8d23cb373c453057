"""Holds the relative links of the documentation to the files and headings that they name.

Exit status: 0 if every one leads somewhere, 1 if not; each that does not is named as FILE:LINE.
"""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
INLINE = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")
HTML_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"([^\"]+)\"")
FENCE = re.compile(r"^\s*(```+|~~~+)")
CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main():
    faults = [fault for page in pages() for fault in broken(page)]
    for fault in faults:
        print(f"links: {fault}", file=sys.stderr)
    return 1 if faults else 0


def pages():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def broken(page):
    """Each link of the page that leads nowhere, as a sentence."""
    for number, link in links(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / unquote(path)).resolve()
        where = f"{page.relative_to(ROOT) if page.is_relative_to(ROOT) else page}:{number}: {link}"
        if not target.exists():
            yield f"{where}: there is no such file"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{where}: the page has no such heading"


def links(text):
    """Line number and target of each relative link."""
    for number, line in prose(text):
        # A link's text may be code. Only code that could contain a bracket is removed.
        found = INLINE.findall(CODE_SPAN.sub("code", line)) + REFERENCE.findall(line)
        for target in found:
            if not SCHEME.match(target) and not target.startswith("//"):
                yield number, target


def prose(text):
    """The numbered lines that are no block of code."""
    fence = None
    for number, line in enumerate(text.splitlines(), start=1):
        mark = FENCE.match(line)
        if mark and fence is None:
            fence = mark[1]
        elif fence is None:
            yield number, line
        elif mark and mark[1].startswith(fence):
            fence = None


def anchors(text):
    """What the headings of a page are called in links, as GitHub calls them."""
    names, seen = set(), {}
    for _, line in prose(text):
        names.update(HTML_ANCHOR.findall(line))
        if heading := HEADING.match(line):
            name = slug(heading[1])
            count = seen.get(name, 0)
            seen[name] = count + 1
            names.add(f"{name}-{count}" if count else name)
    return names


def slug(heading):
    shown = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main())
