"""`xinpei key reseal`: the secret of a register is replaced while nobody reads the book."""

import json

import pytest

from nodes.config import Home
from nodes.entropy import SystemEntropy
from nodes.keystore import load_keystore
from nodes.network.supervisor import NodeLock
from nodes.vault.register import REGISTER_FOLDER, Register
from tests.nodes.cli.commands import check_refused, run


def test_the_secret_of_a_register_is_replaced_and_the_book_opens_with_the_new_one(
    capsys: pytest.CaptureFixture[str], home: Home
) -> None:
    folder = home.node_folder("hospital-a")
    before = load_keystore(folder / "keys")
    Register(folder / REGISTER_FOLDER, before.register_secret, SystemEntropy()).put("patient", "wang", b"Wang")
    ran = run(capsys, "key", "reseal", "--as", "hospital-a", "--home", str(home.folder), "--json")
    assert (ran.code, json.loads(ran.out)["entries"]) == (0, 1)
    after = load_keystore(folder / "keys")
    assert after.register_secret != before.register_secret
    for secret in (before.register_secret, after.register_secret):
        assert secret.hex() not in ran.out + ran.err
    assert Register(folder / REGISTER_FOLDER, after.register_secret, SystemEntropy()).get("patient", "wang") == b"Wang"
    unchanged = (after.submission.public_key, after.seal.public_key, after.tag_secret)
    assert unchanged == (before.submission.public_key, before.seal.public_key, before.tag_secret)


@pytest.mark.parametrize(("actor", "host"), [("hospital-a", "hospital-a"), ("rail", "regulator")])
def test_it_is_refused_while_the_node_runs_that_has_the_book_open(
    capsys: pytest.CaptureFixture[str], home: Home, actor: str, host: str
) -> None:
    keys = home.node_folder(actor) / "keys"
    before = load_keystore(keys).register_secret
    lock = NodeLock(home.node_folder(host))
    lock.acquire()
    try:
        ran = run(capsys, "key", "reseal", "--as", actor, "--home", str(home.folder))
    finally:
        lock.release()
    check_refused(ran, f"{host}: its node is running already")
    assert load_keystore(keys).register_secret == before
    assert run(capsys, "key", "reseal", "--as", actor, "--home", str(home.folder)).code == 0
    assert load_keystore(keys).register_secret != before


@pytest.mark.parametrize("actor", ["insurer-z", "../nodes/hospital-a", "wang"])
def test_whoever_is_no_member_has_no_register(capsys: pytest.CaptureFixture[str], home: Home, actor: str) -> None:
    check_refused(run(capsys, "key", "reseal", "--as", actor, "--home", str(home.folder)), "--as: expected a member")
