"""Signatures of files in the format of the OpenSSF, made and checked by ``model_signing``.

A signature is the JSON text of a sigstore bundle. It lists the files with their digests, so it
is made and checked without the files: whoever has compared these with the digests is done.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from lakeflow import formats, temporary
from lakeflow.exceptions import InvalidInputError
from lakeflow.stores.registry.state import signer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Key = str | os.PathLike[str]
"""Path of a file with an elliptic-curve key (P-256, P-384 or P-521) in PEM."""

INSTALL = "lakeflow[signing]"
"""What pip installs for it."""

_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_METHOD = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}


class _Known:
    """Stands for ``model_signing.hashing.Config`` where the digests are known already."""

    def __init__(self, manifest: Any) -> None:
        self._manifest = manifest

    def hash(self, model_path: object, *, files_to_hash: object = None) -> Any:
        return self._manifest

    def add_ignored_paths(self, **_: object) -> None:
        """Ignore none: what a signature leaves out is not what was registered."""


def made(
    subject: str, digests: Mapping[str, str], private_key: Key, password: str | None = None
) -> str:
    """Return a signature of files.

    Args:
        subject: What they are called together.
        digests: SHA-256 of each by path.
        private_key: The key.
        password: What it is encrypted with.

    Raises:
        InvalidInputError: This is no such key, or not its password.
        LakeflowException: FEATURE_DISABLED, the extra is not installed.
    """
    signing = formats.require("model_signing.signing", INSTALL)
    secret = None if password is None else password.encode()
    # Called for its error alone: the library reads the key by itself.
    _loaded(private_key, "private", lambda pem: _pem().load_pem_private_key(pem, secret))
    config = signing.Config().use_elliptic_key_signer(private_key=private_key, password=secret)
    with temporary.folder("signature") as folder:
        path = os.path.join(folder, "model.sig")
        config.set_hashing_config(_Known(_manifest(subject, digests))).sign(folder, path)
        with open(path, encoding="utf-8") as file:
            return file.read()


def fault(signature: str, digests: Mapping[str, str], public_key: Key) -> str:
    """Return what is wrong with a signature of files; nothing for a valid one.

    Args:
        signature: The signature.
        digests: SHA-256 of each file by path.
        public_key: The key.

    Raises:
        InvalidInputError: This is no such key.
        LakeflowException: FEATURE_DISABLED, the extra is not installed.
    """
    verifying = formats.require("model_signing.verifying", INSTALL)
    key = _loaded(public_key, "public", lambda pem: _pem().load_pem_public_key(pem))
    if signer_of(signature) != _fingerprint(key):
        return "it was made with another key"
    config = verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    exceptions = formats.require("cryptography.exceptions", INSTALL)
    with temporary.folder("signature") as folder:
        path = os.path.join(folder, "model.sig")
        with open(path, "w", encoding="utf-8") as file:
            file.write(signature)
        try:
            config.set_hashing_config(_Known(_manifest("", digests))).verify(folder, path)
        except (ValueError, LookupError, TypeError, exceptions.InvalidSignature) as error:
            return str(error) or "its content was changed after it was made"
    return ""


def _loaded(path: Key, what: str, load: Callable[[bytes], Any]) -> Any:
    """Return the key in a file.

    Raises:
        InvalidInputError: There is none that signatures are made with.
    """
    curves = formats.require("cryptography.hazmat.primitives.asymmetric.ec", INSTALL)
    refusals = formats.require("cryptography.exceptions", INSTALL)
    try:
        with open(path, "rb") as file:
            key = load(file.read())
    except OSError as error:
        raise InvalidInputError(f"cannot read the {what} key {path}: {error}") from error
    # A TypeError is about the password: one is missing, or there is none to give.
    except (ValueError, TypeError, refusals.UnsupportedAlgorithm) as error:
        raise InvalidInputError(f"{path} is no {what} key in PEM: {error}") from error
    kinds = (curves.EllipticCurvePrivateKey, curves.EllipticCurvePublicKey)
    if not isinstance(key, kinds) or key.curve.name not in _CURVES:
        raise InvalidInputError(
            f"{path} has no elliptic-curve key that models are signed with",
            hint=f"the curve is one of {', '.join(_CURVES)}: openssl ecparam -genkey -noout "
            "-name prime256v1",
        )
    return key


def _fingerprint(key: Any) -> str:
    """Return what a signature says of the key that it was made with."""
    pem = _pem()
    text = key.public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(text).hexdigest()


def _pem() -> Any:
    return formats.require("cryptography.hazmat.primitives.serialization", INSTALL)


def _manifest(subject: str, digests: Mapping[str, str]) -> Any:
    manifest = formats.require("model_signing.manifest", INSTALL)
    # It has no public name, and comes with what has one.
    digest = manifest.hashing.Digest
    items = [
        manifest.FileManifestItem(
            path=PurePosixPath(path), digest=digest("sha256", bytes.fromhex(sha256))
        )
        for path, sha256 in sorted(digests.items())
    ]
    return manifest.Manifest(subject, items, manifest.SerializationType.from_args(_METHOD))
