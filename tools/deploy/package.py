"""The function's zip: packs it, says for which processor it is, and makes a template that deploys it as it is."""

import argparse
import hashlib
import re
import sys
import zipfile
from pathlib import Path

# e_machine of an ELF header.
MACHINES = {0x3E: "x86_64", 0xB7: "arm64"}
PROGRAM = "bootstrap"


class NotAPackage(Exception):
    """A file that Lambda could not run; says why."""


def pack(program, target):
    """The same program gives the same zip, byte for byte: no date of today, one name, one mode."""
    entry = zipfile.ZipInfo(PROGRAM, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix, or the mode is not read.
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(entry, program.read_bytes(), compresslevel=9)


def architecture(path):
    """The Lambda architecture of the program in a zip."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(PROGRAM) as program:
            header = program.read(20)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise NotAPackage(f"{path} is no zip of the function: {error}") from None
    machine = int.from_bytes(header[18:20], "little")
    if header[:4] != b"\x7fELF" or machine not in MACHINES:
        raise NotAPackage(f"{path} is no zip of the function: its {PROGRAM} is no program for Linux on x86_64 or arm64")
    return MACHINES[machine]


def template(source, path, folder):
    """A copy of the template in which the function's code is the zip. SAM uploads a file as it is."""
    text, count = re.subn(r"^( +)CodeUri: \.$", rf"\1CodeUri: {path.resolve()}", source.read_text("utf-8"), flags=re.M)
    if count != 1:
        raise NotAPackage(f"{source.name} has {count} functions with CodeUri: . and not one")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.name
    target.write_text(text, encoding="utf-8")
    return target


def checksums(folder):
    """SHA256SUMS, as sha256sum writes and checks it."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description="Packs the function as Lambda takes it, and writes SHA256SUMS beside.")
    parser.add_argument("program", type=Path, help="the function, as built")
    parser.add_argument("zip", type=Path, help="where to")
    options = parser.parse_args()
    try:
        pack(options.program, options.zip)
        architecture(options.zip)
    except (OSError, NotAPackage) as error:
        sys.exit(f"package: {error}")
    checksums(options.zip.parent)


if __name__ == "__main__":
    main()
