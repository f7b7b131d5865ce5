"""DataFusion's own SQL tests, asked of `karat query`: how many are answered, with which answers, and why the others are refused.

Usage: KARAT=target/release/karat python bench/sqllogictests.py [--only PART_OF_A_FILE_NAME] [--show KIND] [--tests FOLDER] [--data FOLDER]

The tests are those of the crate datafusion-sqllogictest, which `cargo fetch` brings; `--tests` names another folder of .slt files, and
`--data` a checkout of apache/arrow-testing, for the tests that read its CSV files. Statements that make tables are carried out by the
Python package `datafusion`; each SELECT then reads the tables as Parquet files through `karat query --table`.
"""

import argparse
import collections
import concurrent.futures
import decimal
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

KARAT = os.path.abspath(os.environ["KARAT"])
CRATE = "datafusion-sqllogictest"
VERSION = "55.2.0"
# A query of these tests is small.
SECONDS = 20


def fetch_tests(folder):
    """Has cargo bring the crate that holds the tests, and finds it."""
    (folder / "src").mkdir()
    (folder / "src" / "lib.rs").write_text("")
    (folder / "Cargo.toml").write_text(
        f'[package]\nname = "fetch"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n[dependencies]\n{CRATE} = "={VERSION}"\n'
    )
    metadata = subprocess.run(
        ["cargo", "metadata", "--format-version", "1"], cwd=folder, check=True, capture_output=True, text=True
    )
    packages = json.loads(metadata.stdout)["packages"]
    manifest = next(package["manifest_path"] for package in packages if package["name"] == CRATE)
    return pathlib.Path(manifest).parent / "test_files"


def records(path):
    """The statements and queries of a file, those of included files in their place: (kind, sql, expected lines)."""
    lines = path.read_text().split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        at += 1
        if line.startswith("include "):
            for included in sorted(path.parent.glob(line.split(None, 1)[1])):
                yield from records(included)
            continue
        if line.startswith(("skipif datafusion", "onlyif")):
            while at < len(lines) and lines[at].strip():
                at += 1
            continue
        if not line.startswith(("statement", "query")):
            continue
        sql, expected = [], None
        while at < len(lines) and lines[at].strip():
            text = lines[at].rstrip("\n")
            at += 1
            if text.strip() == "----":
                expected = []
                while at < len(lines) and lines[at].strip():
                    expected.append(lines[at])
                    at += 1
                break
            sql.append(text)
        yield line, "\n".join(sql), expected


class Tables:
    """Tables that the statements of a file made, as Parquet files."""

    def __init__(self, data, folder):
        import datafusion

        config = datafusion.SessionConfig().with_information_schema(True)
        self.context = datafusion.SessionContext(config)
        self.data, self.folder, self.written = data, folder, {}

    def execute(self, sql):
        if self.data:
            sql = sql.replace("../../testing/data/", f"{self.data}/data/")
        self.context.sql(sql).collect()
        if re.search(r"\b(create|insert|drop|update|delete|copy|truncate|merge)\b", sql, re.I):
            self.written = {}

    def named(self, sql):
        """Arguments that name the tables of a SELECT."""
        import pyarrow.parquet

        arguments = []
        names = self.context.catalog().schema().table_names()
        for name in sorted(names):
            if not re.search(rf"(?<![a-z0-9_.]){re.escape(name)}(?![a-z0-9_])", sql, re.I):
                continue
            if name not in self.written:
                path = self.folder / f"{len(os.listdir(self.folder))}.parquet"
                pyarrow.parquet.write_table(self.context.table(f'"{name}"').to_arrow_table(), path)
                self.written[name] = path
            arguments += ["--table", f"{name}={self.written[name]}"]
        return arguments


def cell(value):
    """A value as the expected lines have it, numbers without their type."""
    if value is None:
        return "NULL"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, (int, decimal.Decimal)):
        return number(str(value))
    if value == "":
        return "(empty)"
    return number(str(value))


def number(text):
    try:
        value = decimal.Decimal(text)
    except decimal.InvalidOperation:
        return text
    if not value.is_finite():
        return text
    with decimal.localcontext(decimal.Context(prec=100)):
        return format(round(value, 10).normalize() + 0, "f")


def same(expected, rows, kind):
    """Whether the expected lines are the rows, in the order that the test looks at."""
    ours = [" ".join(cell(value) for value in row) for row in rows]
    theirs = [" ".join(number(part) for part in line.split(" ")) for line in expected]
    ours = [" ".join(number(part) for part in line.split(" ")) for line in ours]
    # Where the test asks for no order, the order is the author's luck.
    return ours == theirs or sorted(ours) == sorted(theirs)


def ask(task):
    file, kind, sql, expected, arguments = task
    command = [KARAT, "query", "--format", "json", "--quiet", *arguments, "-"]
    try:
        done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return ("failed", file, sql, expected, f"no answer within {SECONDS} seconds")
    outcome = (file, sql, expected, done.stderr)
    if done.returncode != 0:
        return ("refused" if done.returncode == 2 else "failed", *outcome)
    document = json.loads(done.stdout, parse_float=decimal.Decimal, object_pairs_hook=lambda pairs: [pair for pair in pairs])
    rows = [[value for _, value in row] for row in dict(document)["rows"]]
    return ("equal" if same(expected, rows, kind) else "other", *outcome, rows)


def reason(stderr):
    """What a message says, without the names in it."""
    line = next((line for line in stderr.splitlines() if line.strip() and not line.startswith(("note", "warning"))), "")
    line = re.sub(r"\s+", " ", re.sub(r"^error: ", "", line))
    # The name of what is missing says what to build next; other names are the test's.
    return line[:110] if "function" in line or "not offered" in line or "not there yet" in line else re.sub(r"`[^`]*`", "`…`", line)[:110]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--show", default="")
    parser.add_argument("--tests")
    parser.add_argument("--data", type=os.path.abspath)
    parser.add_argument("--reasons", type=int, default=40)
    arguments = parser.parse_args()
    counts, reasons, not_asked = collections.Counter(), collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory(prefix="karat-slt-") as name, concurrent.futures.ThreadPoolExecutor(2) as pool:
        folder = pathlib.Path(name)
        tests = pathlib.Path(arguments.tests).resolve() if arguments.tests else fetch_tests(folder)
        # Statements that write files do so in the folder that goes away.
        os.chdir(folder)
        for path in sorted(tests.rglob("*.slt")):
            relative = path.relative_to(tests).as_posix()
            # Functions of Spark's dialect are another library's.
            if arguments.only not in relative or relative.startswith("spark/"):
                continue
            made = folder / relative.replace("/", "_")
            made.mkdir()
            tables, tasks = Tables(arguments.data, made), []
            for kind, sql, expected in records(path):
                if not re.match(r"\s*(select|with|values|\()", re.sub(r"--[^\n]*", "", sql), re.I):
                    if not kind.startswith("statement error"):
                        try:
                            tables.execute(sql)
                        except BaseException:
                            not_asked["statements that the Python package cannot carry out"] += 1
                    continue
                if expected is None:
                    not_asked["queries that are to fail, or whose answer nobody looks at"] += 1
                    continue
                try:
                    tasks.append((relative, kind, sql, expected, tables.named(sql)))
                except BaseException:
                    not_asked["queries on tables that cannot be written as Parquet"] += 1
            for outcome in pool.map(ask, tasks):
                kind, file, sql, expected, stderr, *rows = outcome
                missing = kind == "refused" and re.search(r"no table|there is nothing|there is no project here", stderr)
                kind = "table is missing" if missing else kind
                counts[kind] += 1
                if kind in ("refused", "failed"):
                    reasons[(kind, reason(stderr))] += 1
                if kind == arguments.show:
                    print(f"--- {file}\n{sql}\n>>> {stderr.strip()[:300]}\n... expected {expected[:6]}\n... found    {rows[0][:6] if rows else ''}\n")
    asked = sum(counts.values()) - counts["table is missing"]
    print(f"{asked:,} queries asked; {counts['table is missing']:,} more read tables that could not be made here")
    for kind in ("equal", "other", "refused", "failed"):
        print(f"{kind:10} {counts[kind]:6,}  {100 * counts[kind] / max(asked, 1):5.1f} %")
    for text, count in not_asked.most_common():
        print(f"{count:,} {text}")
    for (kind, text), count in reasons.most_common(arguments.reasons):
        print(f"{count:6,} {kind}: {text}")


if __name__ == "__main__":
    sys.exit(main())
