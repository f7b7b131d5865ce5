"""Places that were labelled by hand, through `karat refactor` and the fixers of UCX: right and wrong rewrites, what stays open, what is lost.

Usage: cargo xtask bench refactor_labels FOLDER [--list] [--without-ucx] [--speed] [--only PATTERN] [--save FILE] [--ucx-from FILE ...]

FOLDER holds checkouts named owner+name, at the commits that bench/refactor_labels.csv names. Each row of that file is one place that a plain
search for databases and tables found, drawn by a seeded generator over files of all kinds, and read by a person:

- `table`: a reference to a table (or database) of the estate that the mapping knows; `name` is what it means. It should be rewritten.
- `not a table`: a column, an alias, a comment, a path, a table of another system. It must stay.
- `undecidable`: nobody can tell from the files, or the code breaks when only the name is changed. It must stay until a person decides.

The mapping is made from the two-part names of the checkout, as bench/refactor.py does, and the names of the labels. karat and UCX get the same
one. Both are judged by their results alone: words of the file before are aligned with words of the file after (`git diff`), and the place is
*right* if the new name stands there, *wrong* if something was put in front of what must stay, *lost* if the words are gone, *open* if nothing
changed. UCX runs where a Python with databricks-labs-ucx runs this script; it reads .py and .sql only, the other rows are told apart.
UCX needs minutes for an estate, and its answers do not depend on karat: --save keeps them, --ucx-from takes them from such files, --only
picks places by a pattern over repository and path.
--speed takes the seconds of processor time of karat, of UCX, and of sqlglot (parse and print again as Databricks SQL) on the SQL of the same
Python and SQL files.
"""

import argparse
import ast
import collections
import csv
import json
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time
import zipfile

import refactor

LABELS = pathlib.Path(__file__).with_name("refactor_labels.csv")
WORDS = re.compile(r"\w+|[^\w\s]")
QUOTES = {"`", '"', "[", "]", "\\"}
HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
SECONDS_A_FILE = 60


class TooLong(BaseException):
    """A file took more than SECONDS_A_FILE of processor time."""


def read(root, path):
    """The text of a file, or of an entry of an archive (`a.dbc!/entry`)."""
    archive, _, entry = path.partition("!/")
    if entry:
        with zipfile.ZipFile(root / archive) as opened:
            return opened.read(entry).decode("utf-8", errors="replace")
    return (root / archive).read_bytes().decode("utf-8", errors="replace")


class Aligned:
    """Words of a text before and after, and which of them are the same."""

    def __init__(self, before, after):
        self.before = [(match.start(), match.group()) for match in WORDS.finditer(before)]
        self.after = [match.group() for match in WORDS.finditer(after)]
        with tempfile.TemporaryDirectory() as folder:
            old, new = pathlib.Path(folder, "old"), pathlib.Path(folder, "new")
            old.write_text("\n".join(word for _, word in self.before) + "\n", errors="surrogatepass")
            new.write_text("\n".join(self.after) + "\n", errors="surrogatepass")
            done = subprocess.run(["git", "diff", "--no-index", "--no-color", "-U0", "--patience", old, new], capture_output=True)
        self.hunks = []
        for match in HUNK.finditer(done.stdout.decode("utf-8", errors="replace")):
            a, b, c, d = (int(part) if part else 1 for part in match.groups())
            # A side without lines is told by the line in front of it.
            first, other = (a if b == 0 else a - 1), (c if d == 0 else c - 1)
            self.hunks.append((first, first + b, other, other + d))

    def fate(self, place, text, name):
        """`right`, `wrong`, `lost` or `open`, for the words of `text` that stand at `place`. `name` is what the label says they mean."""
        inside = [index for index, (at, _) in enumerate(self.before) if place <= at < place + len(text)]
        start = next(index for index in inside if self.before[index][1] not in QUOTES)
        shift = 0
        for first, last, other, end in self.hunks:
            if first <= start < last or any(first <= index < last and self.before[index][1] not in QUOTES for index in inside):
                new = "".join(word for word in self.after[max(0, other - 6) : end + 6] if word not in QUOTES).lower()
                return "right" if name and f"main.{name}" in new else "lost"
            if first > start:
                break
            shift = end - last
        front = "".join(word for word in self.after[max(0, start + shift - 12) : start + shift] if word not in QUOTES).lower()
        wanted = "main."
        words = "".join(word for _, word in (self.before[index] for index in inside) if word not in QUOTES).lower()
        if name and name != words and name.endswith(f".{words}"):
            wanted = f"main.{name.removesuffix(words)}"
        before = "".join(word for _, word in self.before[max(0, start - 12) : start] if word not in QUOTES).lower()
        if front.endswith("main.") and not before.endswith("main."):
            return "right" if name and front.endswith(wanted) else "wrong"
        if not name and front != before and front.endswith(".") and not before.endswith("."):
            return "wrong"
        if name and front.endswith(wanted):
            return "right" if not before.endswith(wanted) else "open"
        return "open"


def verdicts_of(scan, root, rows):
    """What karat says of each place: the verdict of the narrowest occurrence that covers it, or nothing."""
    assets = {asset["path"]: asset for asset in scan["assets"]}
    for row in rows:
        asset, text = assets.get(row["path"]), row["before"]
        at = len(text[: row["at"]].encode())
        end = at + len(row["text"].encode())
        covering = []
        for occurrence in asset["occurrences"] if asset else []:
            if occurrence["range"]["start"] < end and at < occurrence["range"]["end"]:
                covering.append((occurrence["range"]["end"] - occurrence["range"]["start"], json.dumps(occurrence["verdict"])))
        row["verdict"] = json.loads(min(covering)[1]) if covering else None


def fixed_by_ucx(root, files, names, to):
    import logging

    import refactor_ucx

    logging.disable(logging.CRITICAL)

    def too_long(*_):
        raise TooLong

    signal.signal(signal.SIGPROF, too_long)
    failed = 0
    start = time.process_time()
    for path in files:
        target = to / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
        # Again and again, because an except clause of a library may swallow it.
        signal.setitimer(signal.ITIMER_PROF, SECONDS_A_FILE, 1)
        try:
            refactor_ucx.fix(target, names)
        except (Exception, TooLong) as error:  # noqa: BLE001 - whatever it raises, the file stays as it was
            failed += 1
            shutil.copyfile(root / path, target)
            print(f"UCX gave up {path}: {type(error).__name__}", flush=True)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return time.process_time() - start, failed


def sql_of(path, text):
    """The SQL of a file: a script, the `%sql` cells of a notebook, the texts of a Python program that begin like a statement."""
    found = []
    if path.endswith(".sql"):
        found += [cell for cell in text.split("-- COMMAND ----------") if "MAGIC %" not in cell]
    for cell in re.split(r"# COMMAND -+", text) if path.endswith(".py") else []:
        lines = [re.sub(r"^# MAGIC ?", "", line) for line in cell.splitlines() if line.startswith("# MAGIC")]
        if lines and lines[0].startswith("%sql"):
            found.append("\n".join(lines).removeprefix("%sql"))
    if path.endswith(".py"):
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            return found
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.match(r"\s*(select|with|insert|create|update|delete|merge|drop)\b", node.value, re.IGNORECASE):
                    found.append(node.value)
    return found


def seconds_of_sqlglot(texts):
    import sqlglot

    start, failed = time.process_time(), 0
    for text in texts:
        try:
            for statement in sqlglot.parse(text, read="databricks"):
                if statement is not None:
                    statement.sql(dialect="databricks")
        except Exception:  # noqa: BLE001 - what it cannot parse counts as read
            failed += 1
    return time.process_time() - start, failed


def judge(root, rows, labelled_names, work, arguments):
    """Puts `karat`, `ucx` and `verdict` into the rows of one checkout, and gives the times and counts of constructs."""
    names = sorted(set(refactor.names_of(root)) | labelled_names)
    mapping = work / "mapping.csv"
    refactor.write_mapping(names, mapping)
    scan, _, _ = refactor.karat("scan", root, "--mapping", mapping)
    refactor.karat("apply", root, "--mapping", mapping, "--out", work / "karat")
    verdict, _, _ = refactor.karat("verify", root, work / "karat", "--mapping", mapping)
    for row in rows:
        row["before"] = read(root, row["path"])
        lines = row["before"].split("\n")
        row["at"] = sum(len(line) + 1 for line in lines[: int(row["line"]) - 1]) + int(row["column"]) - 1
        if row["before"][row["at"] : row["at"] + len(row["text"])] != row["text"]:
            raise SystemExit(f"{row['repository']} {row['path']}:{row['line']}: `{row['text']}` does not stand there; is this the commit {row['commit']}?")
    verdicts_of(scan, root, rows)
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file() and not path.is_symlink() and path.suffix in (".py", ".sql"))
    figures = {"files": len(files), "unlicensed": len(verdict["unlicensed"])}
    # UCX needs seconds for a file: it gets those with labels.
    labelled = {row["path"] for row in rows}
    chosen = [path for path in files if path.as_posix() in labelled]
    if not arguments.without_ucx and chosen:
        seconds, failed = fixed_by_ucx(root, chosen, names, work / "ucx")
        figures |= {"ucx_files": len(chosen), "ucx_failed": failed, "ucx": seconds}
        for path in chosen:
            for folder, of in (("same", root), ("same_karat", work / "karat")):
                target = work / folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(of / path, target)
        judged, _, _ = refactor.karat("verify", work / "same", work / "ucx", "--mapping", mapping)
        figures["ucx_unlicensed"] = len(judged["unlicensed"])
        if arguments.speed:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            refactor.karat("apply", work / "same", "--mapping", mapping, "--out", work / "timed")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            figures["karat"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            texts = [text for path in chosen for text in sql_of(path.as_posix(), read(root, path.as_posix()))]
            figures["sqlglot"], figures["sqlglot_failed"] = seconds_of_sqlglot(texts)
            figures["sql_texts"] = len(texts)
        import refactor_ucx

        figures["constructs"] = [refactor_ucx.counts(work / folder) for folder in ("same", "ucx", "same_karat")]
    aligned = {}
    for row in rows:
        for tool in ("karat", "ucx"):
            if tool == "ucx" and (arguments.without_ucx or pathlib.PurePath(row["path"]) not in chosen):
                row[tool] = "not read"
                continue
            if (tool, row["path"]) not in aligned:
                aligned[tool, row["path"]] = Aligned(row["before"], read(work / tool, row["path"]))
            row[tool] = aligned[tool, row["path"]].fate(row["at"], row["text"], row["name"])
    return figures


def key_of(row):
    return f"{row['repository']} {row['path']}:{row['line']}:{row['column']}"


def take_in(saved, rows, figures):
    """What UCX did in earlier runs: fates of places, and figures, added up where a repository was done in parts."""
    for row in rows:
        row["ucx"] = next((one["fates"][key_of(row)] for one in saved if key_of(row) in one["fates"]), "not read")
    for one in saved:
        for repository, old in one["figures"].items():
            into = figures.setdefault(repository, {"unlicensed": 0})
            for key, value in old.items():
                if key == "constructs":
                    before = into.get(key, [[0, 0, 0]] * 3)
                    into[key] = [[a + b for a, b in zip(*pair)] for pair in zip(before, value)]
                elif key not in ("files", "unlicensed"):
                    into[key] = into.get(key, 0) + value


def table(headings, rows):
    print("| " + " | ".join(headings) + " |\n|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, help="checkouts named owner+name")
    parser.add_argument("--list", action="store_true", help="print each place that is not as its label asks")
    parser.add_argument("--without-ucx", action="store_true")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--only", help="a regular expression over `repository path`")
    parser.add_argument("--save", type=pathlib.Path, help="write what UCX made of each place")
    parser.add_argument("--ucx-from", type=pathlib.Path, nargs="+", default=[], help="take it from such files")
    arguments = parser.parse_args()
    saved = [json.loads(path.read_text()) for path in arguments.ucx_from]
    arguments.without_ucx |= bool(saved)
    by_repository, names = collections.defaultdict(list), collections.defaultdict(set)
    with open(LABELS, newline="") as labels:
        for row in csv.DictReader(labels):
            if row["name"].count(".") == 1:
                names[row["repository"]].add(tuple(row["name"].split(".")))
            if not arguments.only or re.search(arguments.only, f"{row['repository']} {row['path']}"):
                by_repository[row["repository"]].append(row)
    figures, rows = {}, []
    for repository, places in by_repository.items():
        root = arguments.folder / repository.replace("/", "+")
        if not root.is_dir():
            print(f"left out: {repository} ({len(places)} places) is not in {arguments.folder}")
            continue
        with tempfile.TemporaryDirectory() as work:
            figures[repository] = judge(root, places, names[repository], pathlib.Path(work), arguments)
        rows += places
    if arguments.save:
        fates = {key_of(row): row["ucx"] for row in rows}
        arguments.save.write_text(json.dumps({"fates": fates, "figures": figures}))
    if saved:
        take_in(saved, rows, figures)
    counted = collections.Counter((row["label"], tool, row[tool]) for row in rows for tool in ("karat", "ucx"))
    print(f"\n{len(rows)} places in {len({(row['repository'], row['path']) for row in rows})} files of {len(figures)} repositories\n")
    table(
        ["label", "places", "tool", "right", "wrong", "lost", "open", "not read"],
        [
            [label, sum(row["label"] == label for row in rows), tool, *(counted[label, tool, fate] for fate in ("right", "wrong", "lost", "open", "not read"))]
            for label in ("table", "not a table", "undecidable")
            for tool in ("karat", "ucx")
        ],
    )
    real = [row for row in rows if row["label"] == "table"]
    print(f"\nof {len(real)} real references karat rewrote {sum(row['karat'] == 'right' for row in real) * 100 / max(1, len(real)):.1f} %, without a word about {sum(row['verdict'] is None for row in real)}")
    both = [row for row in real if row["ucx"] != "not read"]
    if both:
        print(f"of {len(both)} that UCX reads: karat {sum(row['karat'] == 'right' for row in both)}, UCX {sum(row['ucx'] == 'right' for row in both)}")
    print("files with a change that nothing licenses: " + ", ".join(f"{name} karat {one['unlicensed']}, UCX {one.get('ucx_unlicensed', '-')} of {one.get('ucx_files', 0)}" for name, one in figures.items()))
    constructs = [one["constructs"] for one in figures.values() if "constructs" in one]
    if constructs:
        print()
        table(
            ["", "before", "UCX", "karat"],
            [[what, *(sum(one[tool][number] for one in constructs) for tool in range(3))] for number, what in enumerate(("cell markers", "comment lines", "titles"))],
        )
    if arguments.speed and constructs:
        print()
        table(
            ["repository", "files", "karat s", "UCX s", "sqlglot s", "UCX / karat", "sqlglot / karat"],
            [
                [name, one["ucx_files"], f"{one['karat']:.2f}", f"{one['ucx']:.1f}", f"{one['sqlglot']:.2f}", f"{one['ucx'] / one['karat']:.1f}", f"{one['sqlglot'] / one['karat']:.1f}"]
                for name, one in figures.items()
                if "karat" in one
            ],
        )
    if arguments.list:
        for row in rows:
            asked = {"table": {"right"}}.get(row["label"], {"open"})
            if row["karat"] not in asked:
                said = row["verdict"] and (row["verdict"].get("reason") or row["verdict"].get("doubt") or row["verdict"])
                print(f"{row['karat']}: {row['repository']} {row['path']}:{row['line']}:{row['column']} `{row['text']}` ({row['label']}) said: {said}")


if __name__ == "__main__":
    main()
