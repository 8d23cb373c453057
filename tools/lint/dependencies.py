"""Holds the function's dependencies to a list, and one set of features to programs and tests.

The list, function-dependencies.txt beside this file, has the name of every crate that the function is built from. A crate
that comes in by accident makes it larger, slower to start and easier to attack. `--write` writes the list anew.

Exit status: 0 if both hold, 1 if not.
"""

import argparse
import subprocess
import sys
from pathlib import Path

LIST = Path(__file__).with_name("function-dependencies.txt")
# Named, because other targets need other crates.
TARGET = "x86_64-unknown-linux-gnu"
WORKSPACE = ["--workspace", "--features", "ec2-model/serve"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the list anew")
    function = crates(tree("--package", "portcullis", "--edges", "normal"))
    if parser.parse_args().write:
        LIST.write_text("".join(f"{name}\n" for name in sorted(names(function))), encoding="utf-8")
        return 0
    faults = [
        *compare(LIST.read_text(encoding="utf-8").split(), names(function)),
        *built_twice(
            function,
            crates(tree(*WORKSPACE, "--edges", "normal,build")),
            crates(tree(*WORKSPACE, "--edges", "normal,build,dev")),
        ),
    ]
    for fault in faults:
        print(f"dependencies: {fault}", file=sys.stderr)
    return 1 if faults else 0


def tree(*selection):
    command = ["cargo", "tree", "--locked", "--target", TARGET, "--prefix", "none", "--format", "{p}|{f}", *selection]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(output):
    """From "NAME vVERSION …|FEATURES": the features of each crate, by name and version. A crate can be there twice."""
    found = {}
    for line in output.splitlines():
        package, separator, features = line.partition("|")
        if separator:
            name, version = package.split()[:2]
            found.setdefault((name, version), set()).add(features.removesuffix(" (*)"))
    return found


def names(found):
    return {name for name, _ in found}


def compare(listed, linked):
    """What differs between the list and what the function is built from, each as a sentence."""
    new, gone = sorted(linked - set(listed)), sorted(set(listed) - linked)
    if new:
        yield f"the function has new dependencies: {', '.join(new)}; `cargo tree -p portcullis -i {new[0]}` shows whose"
    if gone:
        yield f"the function no longer has these dependencies: {', '.join(gone)}"
    if new or gone:
        yield f"if that is meant, run `make dependencies` and commit {LIST.name}"


def built_twice(function, programs, tests):
    """Crates of the function that the tests build with other features than the programs, each as a sentence."""
    for crate in sorted(function):
        if programs.get(crate) != tests.get(crate):
            extra = ", ".join(sorted(features(tests.get(crate)) - features(programs.get(crate))))
            yield (
                f"{crate[0]} would be built twice, for the tests want more features of it ({extra}) than the programs;"
                " a crate that both build must ask for them too, as crates/ec2-model does"
            )


def features(sets):
    return {feature for one in sets or () for feature in one.split(",")}


if __name__ == "__main__":
    sys.exit(main())
