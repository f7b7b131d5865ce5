#!/usr/bin/env python3
"""Checks a proof of `karat refactor apply` without karat. Standard library only.

    check_refactor_proof.py BEFORE AFTER PROOF

The proof lists every file of both trees, no others, with their SHA-256; each edit stands where it says, in order; the edits and
nothing else make each file what it is after; members of archives that it does not list are the same bytes. Whether the mapping
licenses the edits, lineage and parsing are checked by `karat refactor verify --proof`. Exit code 1 if anything is wrong.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import sys
import zipfile

# Folders that karat does not read, and how it names encodings: the codec, and the bytes in front of the text.
SKIPPED = {".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv"}
ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with a byte order mark": ("utf-8", b"\xef\xbb\xbf"),
    "UTF-16 LE": ("utf-16-le", b"\xff\xfe"),
    "UTF-16 BE": ("utf-16-be", b"\xfe\xff"),
    "windows-1252": ("cp1252", b""),
}
VERSION = 2


class Wrong(Exception):
    """What is wrong, in a sentence."""


def require(condition, problem):
    if not condition:
        raise Wrong(problem)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def encode(text, codec):
    """As the WHATWG encodes: windows-1252 there has the five bytes that Python's leaves out."""
    if codec != "cp1252":
        return text.encode(codec, "surrogatepass")
    return b"".join(c.encode("latin-1") if c in "\x81\x8d\x8f\x90\x9d" else c.encode(codec) for c in text)


def shown(name):
    """A name that is no UTF-8 as karat writes it: `\\xff` for a byte that is no letter of ASCII."""
    try:
        name.encode()
        return name
    except UnicodeEncodeError:
        marks = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 39: "\\'", 92: "\\\\"}
        return "".join(marks.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in os.fsencode(name))


def files_of(root):
    """Path below the root to path on the disk; links are not followed. A file stands for itself."""
    if root.is_file():
        return {root.name: root}
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED and not (pathlib.Path(folder) / name).is_symlink()]
        for name in names:
            path = pathlib.Path(folder) / name
            if path.is_file() and not path.is_symlink():
                found["/".join(map(shown, path.relative_to(root).parts))] = path
    return found


def members_of(data):
    """Name to bytes for the members of an archive that are no folders."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.replace("\\", "/"): archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def check_edits(entry, before, after):
    """That the edits of one file or member turn its bytes into those after."""
    require(sha256(before) == entry["before"], "its SHA-256 before is another")
    require(sha256(after) == entry["after"], "its SHA-256 after is another")
    codec, mark = ENCODINGS[entry["encoding"]]
    require(before.startswith(mark), f"it is no {entry['encoding']}")
    made, last = b"", 0
    for number, edit in enumerate(entry["edits"], 1):
        old, new, at = encode(edit["old"], codec), encode(edit["new"], codec), edit["at"]
        require(old != new, f"edit {number} changes nothing")
        require(at >= max(last, len(mark)), f"edit {number} lies in or before the one in front of it")
        require(before[at : at + len(old)] == old and at + len(old) <= len(before), f"edit {number} is not where it says")
        made += before[last:at] + new
        last = at + len(old)
    require(made + before[last:] == after, "its edits and nothing else do not give the file after")
    return len(entry["edits"])


def check_archive(path, entry, listed, before, after):
    """That only listed members of an archive changed; the number of their edits."""
    require(not entry.get("edits") and entry["before"] != entry["after"], "it is no archive with changed members")
    old, new, edits = members_of(before), members_of(after), 0
    require(old.keys() == new.keys(), "it does not hold the same members as before")
    for name in sorted(old):
        member = listed.pop(f"{path}!/{name}", None)
        require(member is not None or old[name] == new[name], f"its member {name} changed, and the proof does not list it")
        edits += check_edits(member, old[name], new[name]) if member else 0
    return edits


def check(before, after, proof):
    require(proof.get("refactor_proof") == VERSION, f"it has no form {VERSION}")
    listed = {entry["path"]: entry for entry in proof["files"]}
    require(len(listed) == len(proof["files"]), "it lists a file twice")
    old, new = files_of(before), files_of(after)
    edits = 0
    for path in sorted(old.keys() | new.keys()):
        try:
            require(path in old, "it is in the tree after, and was not there before")
            require(path in new, "it is gone from the tree after")
            entry = listed.pop(path, None)
            require(entry is not None, "the proof does not list it")
            data = old[path].read_bytes(), new[path].read_bytes()
            require(sha256(data[0]) == entry["before"], "its SHA-256 before is another")
            require(sha256(data[1]) == entry["after"], "its SHA-256 after is another")
            if entry.get("archive"):
                edits += check_archive(path, entry, listed, *data)
            elif entry.get("edits"):
                edits += check_edits(entry, *data)
            else:
                require(data[0] == data[1], "it changed, and the proof lists no edit of it")
        except Wrong as wrong:
            raise Wrong(f"{path}: {wrong}")
    require(not listed, f"it lists {next(iter(listed), '')}, which is in no tree")
    return len(old), edits


def main():
    parser = argparse.ArgumentParser(description="Checks a proof of `karat refactor apply` without karat.")
    for name in ("before", "after", "proof"):
        parser.add_argument(name, type=pathlib.Path)
    options = parser.parse_args()
    try:
        files, edits = check(options.before, options.after, json.loads(options.proof.read_bytes()))
    except Wrong as wrong:
        print(f"mismatch  {wrong}")
        sys.exit(1)
    except (KeyError, TypeError, ValueError, AttributeError, OSError, zipfile.BadZipFile) as error:
        print(f"mismatch  the proof or a file cannot be read ({type(error).__name__}: {error})")
        sys.exit(1)
    print(f"ok        {files} files, {edits} edits")


if __name__ == "__main__":
    main()
