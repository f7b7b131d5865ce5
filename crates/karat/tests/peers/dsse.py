"""Verifies the signatures of a lake's receipts: DSSE's encoding, and Ed25519 as OpenSSL computes it.

    dsse.py LAKE KEY.pub

Nothing of karat takes part. Prints `ok` or `wrong` and the digest of each receipt.
"""

import base64
import json
import pathlib
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key


def verifies(key, message, signature):
    try:
        key.verify(signature, message)
        return True
    except InvalidSignature:
        return False


def main():
    lake, key = map(pathlib.Path, sys.argv[1:])
    pem = "\n".join(line for line in key.read_text().splitlines() if not line.startswith("#"))
    public = load_pem_public_key(pem.encode())
    for path in sorted((lake / "_karat" / "receipts").glob("*.json")):
        if path.name.endswith(".files.json"):
            continue
        envelope = json.loads(path.read_bytes())
        kind, body = envelope["payloadType"].encode(), base64.b64decode(envelope["payload"])
        message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(body), body)
        good = [verifies(public, message, base64.b64decode(one["sig"])) for one in envelope["signatures"]]
        print("ok" if good == [True] else "wrong", path.stem)


main()
