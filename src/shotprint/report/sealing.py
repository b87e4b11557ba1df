"""The list of hashes of a report, its signature, and what differs from it later.

``hashes.json`` holds the SHA-256 of every exhibit, of the machine's answer for it (its entry in
``report.json``, as JSON with sorted keys) and of every file of the report. ``hashes.json.sig``
holds an Ed25519 signature (RFC 8032) of the bytes of the list. Without a signature the list shows
accidents only: whoever changes the report can write a new list.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shotprint.audio import find_recordings
from shotprint.errors import MissingExtraError, ShotprintError
from shotprint.files import compute_sha256, write_beside, write_text
from shotprint.report.settings import PASSWORD_VARIABLE, ReportSettings

SCHEMA, SIGNATURE_SCHEMA = "shotprint-hashes/1", "shotprint-signature/1"
HASHES, SIGNATURE, TWIN = "hashes.json", "hashes.json.sig", "report.json"
ALGORITHM = "Ed25519"
PROTECTED = b"BEGIN ENCRYPTED PRIVATE KEY"
UNSIGNED, SIGNED, KNOWN, WRONG = "unsigned", "signed", "known", "wrong"


@dataclass(frozen=True)
class Finding:
    """What differs from the list.

    Attributes
    ----------
    kind : ``changed``, ``missing``, ``added`` or ``wrong``
    what : ``exhibit``, ``result``, ``file`` or ``signature``
    name : of it
    """

    kind: str
    what: str
    name: str


@dataclass(frozen=True)
class Verification:
    """What a check of a report found.

    Attributes
    ----------
    n_checked : exhibits, results and files of the list
    signature : ``unsigned``; ``signed`` by a key that was not given; ``known``: by the given key;
        ``wrong``: it does not belong to the list or to the given key
    signer : the public key in hexadecimal digits; empty: unsigned
    """

    findings: tuple[Finding, ...]
    n_checked: int
    signature: str
    signer: str


def write_seal(
    folder: Path, names: Sequence[str], paths: Sequence[str], settings: ReportSettings
) -> None:
    """Write the list of hashes of a report, and its signature where there is a key.

    A signature that stands there from before is removed.

    Parameters
    ----------
    names : of the files of the report
    paths : of the exhibits, as given; also those whose name is no valid Unicode
    """
    twin = json.loads((folder / TWIN).read_text(encoding="utf-8"))
    exhibits = [
        {**{name: each[name] for name in ("number", "sha256", "size_bytes")}, "path": path}
        for each, path in zip(twin["exhibits"], paths, strict=True)
    ]
    content = {
        "schema": SCHEMA,
        "date": twin["date"],
        "paths": list(settings.paths),
        "exhibits": exhibits,
        "results": _hash_results(twin),
        "files": {name: compute_sha256(folder / name) for name in names},
    }
    text = json.dumps(content, indent=1) + "\n"
    key = None if settings.key is None else _read_private(settings.key, settings.key_password)
    (folder / SIGNATURE).unlink(missing_ok=True)
    write_text(folder / HASHES, text)
    if key is not None:
        signature = {
            "schema": SIGNATURE_SCHEMA,
            "algorithm": ALGORITHM,
            "public_key": key.public_key().public_bytes_raw().hex(),
            "signature": key.sign(text.encode("utf-8")).hex(),
        }
        write_text(folder / SIGNATURE, json.dumps(signature, indent=1) + "\n")


def verify(
    folder: Path, exhibits: Path | None = None, public_key: Path | None = None
) -> Verification:
    """Compare a report and its exhibits with the list of their hashes.

    Parameters
    ----------
    exhibits : folder with the exhibits by their names; None: they lie where they lay
    public_key : of the laboratory, which must have signed the list

    Raises
    ------
    ShotprintError : there is no list, it is none, or the key is none
    """
    known = None if public_key is None else _read_public(public_key)
    hashes = _read_list(folder / HASHES)
    state, signer = _check_signature(folder, known)
    findings = []
    if state == WRONG or (known is not None and state == UNSIGNED):
        kind = "missing" if state == UNSIGNED else "wrong"
        findings.append(Finding(kind, "signature", SIGNATURE))
    findings += _check_exhibits(hashes, exhibits)
    findings += _check_results(folder, hashes)
    findings += _check_files(folder, hashes["files"])
    n_checked = sum(len(hashes[name]) for name in ("exhibits", "results", "files"))
    return Verification(tuple(findings), n_checked, state, signer)


def make_key(path: Path, password: str | None = None) -> Path:
    """Write a new private key, and beside it (``.pub``) the public one, whose path is returned.

    Parameters
    ----------
    password : that the private key is encrypted with (PKCS 8, PBES2); None: it is not

    Raises
    ------
    ShotprintError : one of the two is there already
    """
    public = path.with_suffix(".pub")
    for each in (path, public):
        if each.exists():
            raise ShotprintError(f"{each} is there already; give another name, keys are kept")
    key = _import_ed25519().Ed25519PrivateKey.generate()
    from cryptography.hazmat.primitives import serialization as forms

    lock = forms.BestAvailableEncryption(password.encode()) if password else forms.NoEncryption()
    secret = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, lock)
    shown = key.public_key().public_bytes(
        forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo
    )
    with write_beside(path) as beside:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
    write_text(public, shown.decode("ascii"))
    return public


def check_key(path: Path, password: str | None = None) -> None:
    """Raise ShotprintError unless it is a private key that can sign with this password."""
    _read_private(path, password)


def is_protected(path: Path) -> bool:
    """Return whether a private key asks for a password; False as well where there is no key."""
    try:
        return PROTECTED in path.read_bytes()
    except OSError:
        return False


def _hash_results(twin: Mapping[str, Any]) -> list[str]:
    """Return the hash of the answer for each exhibit, in their order."""
    texts = [
        json.dumps(each, ensure_ascii=False, sort_keys=True)
        for each in twin["answers"]["recordings"]
    ]
    return [hashlib.sha256(text.encode("utf-8")).hexdigest() for text in texts]


def _check_exhibits(hashes: Mapping[str, Any], folder: Path | None) -> Iterator[Finding]:
    listed = set()
    for each in hashes["exhibits"]:
        path = Path(each["path"])
        place = path if folder is None else folder / path.name
        listed.add(os.path.normpath(place))
        if each["sha256"] is None:
            continue  # it could not be read when the report was made
        if not place.is_file():
            yield Finding("missing", "exhibit", each["path"])
        elif compute_sha256(place) != each["sha256"]:
            yield Finding("changed", "exhibit", each["path"])
    given = hashes["paths"] if folder is None else [str(folder)]
    for found in find_recordings([path for path in given if Path(path).is_dir()]):
        if found.error is None and os.path.normpath(found.name) not in listed:
            yield Finding("added", "exhibit", found.name)


def _check_results(folder: Path, hashes: Mapping[str, Any]) -> Iterator[Finding]:
    paths = [each["path"] for each in hashes["exhibits"]]
    try:
        found = _hash_results(json.loads((folder / TWIN).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        found = []
    for place, path in enumerate(paths):
        if place >= len(found):
            yield Finding("missing", "result", path)
        elif found[place] != hashes["results"][place]:
            yield Finding("changed", "result", path)
    for place in range(len(paths), len(found)):
        yield Finding("added", "result", f"exhibit {place + 1}")


def _check_files(folder: Path, files: Mapping[str, str]) -> Iterator[Finding]:
    for name, sha256 in files.items():
        if not (folder / name).is_file():
            yield Finding("missing", "file", name)
        elif compute_sha256(folder / name) != sha256:
            yield Finding("changed", "file", name)
    known = {*files, HASHES, SIGNATURE}
    for path in sorted(each for each in folder.rglob("*") if not each.is_dir()):
        if (name := path.relative_to(folder).as_posix()) not in known:
            yield Finding("added", "file", name)


def _read_list(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA or len(content["results"]) != len(content["exhibits"]):
            raise ValueError
        for each in content["exhibits"]:
            if not isinstance(each["path"], str) or not isinstance(each["sha256"], str | None):
                raise ValueError
        if not all(Path(name).name == name for name in content["files"]):
            raise ValueError
        _ = [str(each) for each in content["paths"]]
    except OSError:
        raise ShotprintError(
            f"there is no {path}; give the folder that shotprint report wrote"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ShotprintError(
            f"{path} is no list of hashes of the form {SCHEMA}: it is damaged or was changed; "
            "take the folder as the laboratory kept it"
        ) from None
    return dict(content)


def _check_signature(folder: Path, known: bytes | None) -> tuple[str, str]:
    """Return what the signature is worth, and the key that made it."""
    if not (folder / SIGNATURE).is_file():
        return UNSIGNED, ""
    ed25519 = _import_ed25519()
    from cryptography.exceptions import InvalidSignature

    try:
        content = json.loads((folder / SIGNATURE).read_text(encoding="utf-8"))
        signer, signature = (bytes.fromhex(content[name]) for name in ("public_key", "signature"))
        key = ed25519.Ed25519PublicKey.from_public_bytes(signer)
        key.verify(signature, (folder / HASHES).read_bytes())
    except (ValueError, KeyError, TypeError, InvalidSignature):
        return WRONG, ""
    if known is not None and signer != known:
        return WRONG, signer.hex()
    return SIGNED if known is None else KNOWN, signer.hex()


def _import_ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise MissingExtraError("report", "a signature") from None
    return ed25519


def _read_private(path: Path, password: str | None) -> Any:
    ed25519 = _import_ed25519()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    secret = None
    if is_protected(path):
        if password is None:
            raise ShotprintError(
                f"{path} has a password, and none was given; type it on the terminal, set "
                f"{PASSWORD_VARIABLE}, or give --key-password-file"
            )
        secret = password.encode()
    try:
        key = load_pem_private_key(path.read_bytes(), secret)
    except (OSError, ValueError, TypeError) as error:
        if secret is not None:
            raise ShotprintError(
                f"the password does not open {path}; give the one that it was made with"
            ) from None
        raise ShotprintError(
            f"{path} cannot be read as a private key ({error}); make one with: "
            "shotprint make-key FILE"
        ) from None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ShotprintError(
            f"{path} is no {ALGORITHM} key; make one with: shotprint make-key FILE"
        )
    return key


def _read_public(path: Path) -> bytes:
    ed25519 = _import_ed25519()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ShotprintError(
            f"{path} cannot be read as a public key ({error}); give the .pub of the laboratory"
        ) from None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise ShotprintError(f"{path} is no {ALGORITHM} key; give the .pub of the laboratory")
    return bytes(key.public_bytes_raw())
