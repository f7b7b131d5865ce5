"""What `karat refactor scan` finds of what UCX's own sample notebooks say must be found.

Each sample carries comments such as `# ucx[rdd-in-shared-clusters:+1:0:+1:25] RDD APIs are not supported …`: code, place and text of the advice that UCX's linter must give. For each of them this script looks whether karat says something of
the same kind at the same lines, and prints what was found, what was missed, and what is out of scope and why.

    python3 bench/ucx_samples.py --karat target/release/karat --ucx path/to/ucx

`--scan FILE` takes the JSON of a scan that was made before. The samples are read and never changed.
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# The tables that UCX's tests suppose to be migrated.
MAPPING = """old_database,old_table,old_path,new_catalog,new_schema,new_table,new_path
old,things,,brand,new,stuff,
other,matters,,some,certain,issues,
old,stuff,,brand,new,things,
other,issues,,some,certain,matters,
default,testtable,,cata,nondefault,table,
different_db,testtable,,cata2,newspace,table,
old,testtable,,cata3,newspace,table,
default,people,,cata4,nondefault,newpeople,
something,persons,,cata4,newsomething,persons,
whatever,kittens,,cata4,felines,toms,
whatever,numbers,,cata4,counting,numbers,
"""

ADVICE = re.compile(r"(?:#|--) ucx\[([\w-]+):(\+?\d+):(\d+):(\+?\d+):(\d+)] (.*)")

# What answers an advice of UCX: rules of karat, or verdicts on names ("rewritten", "needs_person").
ANSWERS = {
    "table-migrated-to-uc-python": {"rewritten", "needs_person"},
    "table-migrated-to-uc-sql": {"rewritten", "needs_person"},
    "table-migrated-to-uc-python-sql": {"rewritten", "needs_person"},
    "default-format-changed-in-dbr8": {"refused/default-format"},
    "cannot-autofix-table-reference": {"needs_person", "rewritten", "name/from-caller"},
    "changed-result-format-in-uc": {"shape/listed-names", "shape/show-statements", "shape/database-apart"},
    "direct-filesystem-access": {"refused/dbfs-paths", "path"},
    "direct-filesystem-access-in-sql-query": {"refused/dbfs-paths", "path"},
    "rdd-in-shared-clusters": {"refused/rdd"},
    "legacy-context-in-shared-clusters": {"refused/spark-context"},
    "jvm-access-in-shared-clusters": {"refused/jvm"},
    "spark-logging-in-shared-clusters": {"refused/driver-log"},
    "to-json-in-shared-clusters": {"refused/notebook-context"},
    "python-udf-in-shared-clusters": {"refused/java-udf", "refused/udf-runtime"},
    "catalog-api-in-shared-clusters": {"refused/catalog-interface"},
    "notebook-run-cannot-compute-value": {"name/notebook-path"},
}

# Advice that karat does not give, and why.
OUT_OF_SCOPE = {
    "sql-parse-error": "UCX could not parse the SQL; karat reads it with the value left open",
}


def wanted(samples):
    """Every advice that the samples ask for, once: file, code, first and last line from 1, column, text."""
    found = {}
    for path in sorted(samples.rglob("*")):
        if path.suffix not in (".py", ".sql", ".scala", ".r", ".R"):
            continue
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines):
            match = ADVICE.search(line)
            if match:
                code, first, column, last, last_column, text = match.groups()
                # `+1` counts from the comment; lines are counted from 0.
                start = number + int(first) if first.startswith("+") else int(first)
                end = number + int(last) if last.startswith("+") else int(last)
                if int(last_column) == 1024:
                    # An advice on a whole cell.
                    while end + 1 < len(lines) and "COMMAND ----------" not in lines[end + 1]:
                        end += 1
                key = (str(path.relative_to(samples)), code, start + 1, end + 1, int(column), text)
                found[key] = True
    return list(found)


def said(scan):
    """What karat says: for each file a list of (line, kind, about what)."""
    by_file = {}
    for asset in scan["assets"]:
        kinds = by_file.setdefault(asset["path"], [])
        for occurrence in asset["occurrences"]:
            verdict = occurrence["verdict"]["verdict"]
            about = occurrence["old"] or occurrence["text"]
            kinds.append((occurrence["line"], verdict, about))
            if occurrence["subject"] == "path":
                kinds.append((occurrence["line"], "path", about))
            if verdict == "needs_person":
                kinds.append((occurrence["line"], occurrence["verdict"]["doubt"]["rule"], about))
        for finding in asset["findings"]:
            kinds.append((finding["line"], finding["rule"], finding["message"]))
    return by_file


def run_scan(karat, samples):
    with tempfile.TemporaryDirectory() as folder:
        mapping = pathlib.Path(folder, "mapping.csv")
        mapping.write_text(MAPPING)
        done = subprocess.run(
            [karat, "--json", "refactor", "scan", str(samples), "--mapping", str(mapping)], capture_output=True, text=True, check=False
        )
    if done.returncode not in (0, 1):
        sys.exit(f"karat failed: {done.stderr}")
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--karat", default="target/release/karat", help="the karat to ask")
    parser.add_argument("--ucx", required=True, type=pathlib.Path, help="a checkout of databrickslabs/ucx")
    parser.add_argument("--scan", type=pathlib.Path, help="the JSON of a scan of the samples, instead of asking karat")
    parser.add_argument("--print-mapping", action="store_true", help="print the mapping that the samples suppose, and end")
    arguments = parser.parse_args()
    if arguments.print_mapping:
        print(MAPPING, end="")
        return 0
    samples = arguments.ucx / "tests/unit/source_code/samples"
    scan = json.loads(arguments.scan.read_text()) if arguments.scan else run_scan(arguments.karat, samples)
    answers = said(scan)
    counts = collections.defaultdict(collections.Counter)
    missed = []
    for path, code, first, last, _, text in wanted(samples):
        if code in OUT_OF_SCOPE:
            counts[code]["out of scope"] += 1
            continue
        kinds = ANSWERS.get(code, set())
        # UCX files the default format under the code of the table, too.
        if "default format changed" in text:
            kinds = {"refused/default-format"}
        here = {kind for line, kind, _ in answers.get(path, []) if first <= line <= max(last, first)}
        # UCX tells a text where it is used, karat where it stands: the same text at another line is an answer, too.
        named = re.search(r"deprecated: (\S+)$|^Table (\S+) is migrated", text)
        name = named and (named.group(1) or named.group(2))
        there = {kind for _, kind, about in answers.get(path, []) if name and name in about}
        if here & kinds:
            counts[code]["found"] += 1
        elif there & kinds:
            counts[code]["found"] += 1
            counts[code]["elsewhere"] += 1
        else:
            counts[code]["missed"] += 1
            missed.append((path, first, code, text, sorted(here)))
    total = collections.Counter()
    print(f"{'advice of UCX':45} {'found':>6} {'(told where the text stands)':>28} {'missed':>7} {'out of scope':>13}")
    for code in sorted(counts):
        count = counts[code]
        total.update(count)
        print(f"{code:45} {count['found']:6} {count['elsewhere']:28} {count['missed']:7} {count['out of scope']:13}")
    print(f"{'all':45} {total['found']:6} {total['elsewhere']:28} {total['missed']:7} {total['out of scope']:13}")
    for path, line, code, text, here in missed:
        print(f"missed: {path}:{line} {code}: {text} (said there: {', '.join(here) or 'nothing'})")
    for code, why in OUT_OF_SCOPE.items():
        if counts[code]["out of scope"]:
            print(f"out of scope: {code}: {why}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
