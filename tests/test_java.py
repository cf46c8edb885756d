"""Which Java is taken, and what it trusts."""

import os
import subprocess
from pathlib import Path

import pytest

from delab import java
from delab.errors import Blocked


def home(place: Path, release: str = "", says: str = "") -> Path:
    """A folder that looks like a Java's."""
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "java").write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    (place / "bin" / "java").chmod(0o755)
    if release:
        (place / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{release}"\n')
    return place


@pytest.mark.parametrize(("release", "major"), [("1.8.0_392", 8), ("11.0.2", 11), ("17", 17), ("25.0.1", 25)])
def test_the_version_stands_in_the_release_file(tmp_path: Path, release: str, major: int) -> None:
    assert java.version(home(tmp_path / "jdk", release)) == major


def test_without_a_release_file_the_program_is_asked(tmp_path: Path) -> None:
    assert java.version(home(tmp_path / "new", says='openjdk version "21.0.4" 2024-07-16')) == 21
    assert java.version(home(tmp_path / "old", says='java version "1.8.0_411"')) == 8
    assert java.version(home(tmp_path / "other", says="no such thing")) == 0
    assert java.version(tmp_path / "nothing") == 0


def test_java_home_goes_first_unless_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = home(tmp_path / "new", "21.0.1"), home(tmp_path / "old", "11.0.1")
    monkeypatch.setenv("PATH", f"{new / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for asked, taken in ((new, new), (old, new)):
        monkeypatch.setenv("JAVA_HOME", str(asked))
        java.system.cache_clear()
        assert java.system() == taken
    java.system.cache_clear()


def test_no_java_at_all_is_blocked_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "system", lambda: None)
    monkeypatch.setattr(java, "packaged", lambda: None)
    java.home.cache_clear()
    with pytest.raises(Blocked, match="no Java 17 or newer") as error:
        java.home()
    assert "scripts/bootstrap jdk" in error.value.fix


def test_java_reads_the_trust_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of a bundle is found by Java's own tool in the store made of it."""
    pytest.importorskip("cryptography", reason="the pack spark, which brings cryptography, is not installed")
    if java.system() is None and java.packaged() is None:
        pytest.skip("there is no Java: scripts/bootstrap jdk")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(certificate("proxy.example"))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("LAB_STATE", str(tmp_path / "state"))
    store = next(word.partition("=")[2] for word in java.trust() if word.startswith("-Djavax.net.ssl.trustStore="))
    lists = ["-list", "-keystore", store, "-storepass", java.STORE_PASSWORD]
    if not (tool := java.home() / "bin" / "keytool").exists():
        pytest.skip("this Java has no keytool")
    told = subprocess.run([str(tool), *lists], capture_output=True, text=True, check=True)
    assert "trusted-0" in told.stdout


def test_without_a_bundle_java_trusts_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert java.trust() == []


def certificate(name: str) -> bytes:
    """A certificate that signs itself, in PEM."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
