import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from darkroom.provenance import credentials, origin
from darkroom.provenance.certificates import CERTIFICATE, KEY, ROOT, make_test_chain
from darkroom.provenance.credentials import Signer, State
from darkroom.provenance.origin import REAL, Origin

x509 = pytest.importorskip("cryptography.x509")
pytest.importorskip("c2pa")

MADE_BY = Origin("gan", "ab" * 32, "cd" * 32, 8000, '{"_target_": "darkroom.sampling.Samples"}')
SAMPLE = MADE_BY.sampled(3)
PICTURE = torch.arange(3 * 16 * 16, dtype=torch.int64).reshape(3, 16, 16).to(torch.uint8)


def signer_of(folder: Path) -> Signer:
    return Signer(str(folder / CERTIFICATE), str(folder / KEY))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_test_chain(folder)
    return folder


@pytest.fixture(scope="module")
def signed(keys: Path) -> bytes:
    return origin.png(PICTURE, SAMPLE, signer_of(keys))


def trusted(keys: Path) -> str:
    return (keys / ROOT).read_text()


def test_a_signed_image_is_trusted_by_who_trusts_the_root_and_valid_for_others(keys, signed):
    assert credentials.check(signed, trusted(keys)).state is State.TRUSTED
    assert credentials.check(signed).state is State.UNKNOWN
    assert "TEST" in credentials.check(signed).signer
    assert origin.claimed(signed) == SAMPLE
    assert b"trainedAlgorithmicMedia" in signed[signed.index(credentials.CHUNK) :][:3000]


def test_another_root_vouches_for_nothing(keys, signed, tmp_path):
    make_test_chain(tmp_path)
    assert credentials.check(signed, trusted(tmp_path)).state is State.UNKNOWN


@pytest.mark.promise(
    "One byte of a signed image is changed: a pixel, the label, or what follows the end",
    "The signature is invalid.",
)
@pytest.mark.parametrize("part", [b"IDAT", b"first_seed", b"trainedAlgorithmicMedia"])
def test_a_changed_byte_makes_the_signature_invalid(part, keys, signed):
    place = signed.rindex(part) + 5
    changed = signed[:place] + bytes([signed[place] ^ 1]) + signed[place + 1 :]
    for content in (changed, signed + b"\0"):
        found = credentials.check(content, trusted(keys))
        assert (found.state, found.reasons) == (State.CHANGED, ("assertion.dataHash.mismatch",))


@pytest.mark.promise("A signed image is saved anew by another program", "Its signature is gone.")
def test_what_is_saved_anew_has_no_signature(keys, signed):
    anew = BytesIO()
    Image.open(BytesIO(signed)).save(anew, "PNG")
    assert credentials.check(anew.getvalue(), trusted(keys)).state is State.NONE


def test_a_signature_costs_less_than_8_kb_and_holds_no_thumbnail(signed):
    assert len(signed) - len(origin.png(PICTURE, SAMPLE)) < 8000


def test_an_image_of_the_data_is_not_signed_as_made_by_a_model(keys):
    real = MADE_BY.named("000000-real")
    assert real.source == REAL
    assert origin.png(PICTURE, real, signer_of(keys)) == origin.png(PICTURE, real)


@pytest.mark.promise("The certificate is out of date", "Nothing is signed with it.")
def test_an_expired_certificate_signs_nothing(tmp_path):
    make_test_chain(tmp_path, valid=timedelta(seconds=-1))
    with pytest.raises(ValueError, match=r"and today is .* Nothing is signed"):
        signer_of(tmp_path)


@pytest.mark.promise(
    "The certificate expires after an image was signed with it, without a time stamp",
    "It is said that the signature proves nothing any more.",
)
def test_a_signature_whose_certificate_has_expired_since_says_so(tmp_path):
    make_test_chain(tmp_path, valid=timedelta(seconds=3))
    content = origin.png(PICTURE, SAMPLE, signer_of(tmp_path))
    time.sleep(4)
    assert credentials.check(content, trusted(tmp_path)).state is State.EXPIRED
    place = content.rindex(b"IDAT") + 5
    changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    assert credentials.check(changed, trusted(tmp_path)).state is State.CHANGED


def test_a_key_of_another_certificate_is_refused(keys, tmp_path):
    make_test_chain(tmp_path)
    with pytest.raises(ValueError, match=r"provenance\.key=.* is not the key of"):
        Signer(str(keys / CERTIFICATE), str(tmp_path / KEY))


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("nowhere", KEY, "provenance.certificate=nowhere cannot be read"),
        (KEY, KEY, "is no PEM certificate"),
        (CERTIFICATE, CERTIFICATE, "is no private key in PEM"),
    ],
)
def test_files_that_are_none_are_refused_by_their_option(certificate, key, said, keys, monkeypatch):
    monkeypatch.chdir(keys)
    with pytest.raises(ValueError, match=said):
        Signer(certificate, key)


def test_without_the_extra_signing_names_it_and_checking_says_that_it_cannot(
    keys, signed, monkeypatch
):
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[origin\]'"):
        signer_of(keys)
    assert credentials.check(signed).state is State.UNCHECKED
    assert credentials.check(origin.png(PICTURE, SAMPLE)).state is State.NONE


def test_nobody_else_can_read_the_key_and_all_names_say_that_it_is_a_test(keys):
    assert (keys / KEY).stat().st_mode & 0o777 == 0o600
    for name in (CERTIFICATE, ROOT):
        certificate = x509.load_pem_x509_certificate((keys / name).read_bytes())
        for who in (certificate.subject, certificate.issuer):
            assert all("TEST" in attribute.value for attribute in who)


def test_no_key_is_overwritten(keys):
    before = (keys / KEY).read_bytes()
    with pytest.raises(ValueError, match="already"):
        make_test_chain(keys)
    assert (keys / KEY).read_bytes() == before


SCRIPT = """
import sys
from pathlib import Path
from tests.provenance.test_credentials import PICTURE, SAMPLE, credentials, origin, signer_of
signed = origin.png(PICTURE, SAMPLE, signer_of(Path(sys.argv[1])))
print(credentials.check(signed, (Path(sys.argv[1]) / "root.pem").read_text()).state.name)
"""


def isolated() -> list[str]:
    """A command in front of another one, which then has no network; empty if there is none."""
    unshare = shutil.which("unshare")
    command = [unshare, "--user", "--map-root-user", "--net"] if unshare else []
    works = command and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if works else []


@pytest.mark.promise("There is no network", "Images are signed and verified as ever.")
def test_images_are_signed_and_verified_without_any_network(keys):
    if not (alone := isolated()):
        pytest.skip("this system gives no process a network of its own")
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [*alone, sys.executable, "-c", SCRIPT, str(keys)],
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": root},
    )
    assert (done.stdout.strip(), done.returncode) == ("TRUSTED", 0), done.stderr
