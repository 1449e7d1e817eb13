"""The control socket: the owner's alone, one line in, one line out, and nothing that is sent can harm the agent."""

import os
import socket
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.app.standing_agent import status

from holdfast.core.errors import HoldfastError, RefusedError
from holdfast.core.record import encode
from holdfast.interfaces.control import client as client_module
from holdfast.interfaces.control import server as server_module
from holdfast.interfaces.control.client import UnheardError, ask
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.messages import Reply, Request, Wish
from holdfast.interfaces.control.server import ControlServer


class Loop:
    """Answers what comes, as the agent's loop does."""

    def __init__(self, mailbox: Mailbox, reply: Reply) -> None:
        self.mailbox, self.reply, self.seen, self.is_over = mailbox, reply, [], False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while not self.is_over:
            letter = self.mailbox.take(0.02)
            if letter is not None:
                self.seen.append(letter.request)
                letter.answer.set_result(self.reply)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.sock"


@pytest.fixture
def loop(path: Path):
    mailbox = Mailbox()
    made = Loop(mailbox, Reply(status=status()))
    with ControlServer(path, mailbox):
        yield made
    made.is_over = True


def test_a_question_is_answered(loop, path):
    reply = ask(path, Request(Wish.STATUS))
    assert reply is not None
    assert reply.status == status()
    assert [request.wish for request in loop.seen] == [Wish.STATUS]


def test_the_socket_is_the_owners_alone(loop, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_an_agent_there_is_no_answer(path):
    assert ask(path, Request(Wish.STATUS)) is None


def test_the_socket_of_a_dead_agent_is_no_agent_and_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert ask(path, Request(Wish.STATUS)) is None
    mailbox = Mailbox()
    loop = Loop(mailbox, Reply(status=status()))
    with ControlServer(path, mailbox):
        assert ask(path, Request(Wish.STATUS)) is not None
    loop.is_over = True
    assert not path.exists()


def test_a_home_deeper_than_a_socket_name_may_be_long_works(tmp_path):
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    mailbox = Mailbox()
    loop = Loop(mailbox, Reply(status=status()))
    with ControlServer(deep / "agent.sock", mailbox):
        assert ask(deep / "agent.sock", Request(Wish.STATUS)) is not None
    loop.is_over = True


def test_an_error_comes_back_as_an_error_with_its_next_step(path):
    for code, kind in ((1, HoldfastError), (3, RefusedError)):
        mailbox = Mailbox()
        loop = Loop(mailbox, Reply("no", "wait", code))
        with ControlServer(path, mailbox), pytest.raises(kind, match="no") as caught:
            ask(path, Request(Wish.STOP))
        loop.is_over = True
        assert caught.value.hint == "wait"


def test_another_user_is_refused(loop, path, monkeypatch):
    monkeypatch.setattr(server_module, "peer_uid", lambda peer: 4_242)
    with pytest.raises(RefusedError, match="4242 does not own"):
        ask(path, Request(Wish.STOP))
    assert loop.seen == []


def test_an_agent_that_leaves_answers_what_still_waits(path):
    mailbox = Mailbox()
    answer = mailbox.post(Request(Wish.STATUS))
    with ControlServer(path, mailbox):
        pass
    assert "closing" in answer.result(1).error


def sent(path: Path, content: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(path))
        peer.sendall(content)
        peer.shutdown(socket.SHUT_WR)
        return server_module.read_line(peer)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_whatever_is_sent_is_answered_and_reaches_nobody(loop, path, content):
    before = len(loop.seen)
    assert b"not understood" in sent(path, content)
    assert len(loop.seen) == before


def test_unknown_fields_and_wishes_are_refused(loop, path):
    for content in (
        b'{"wish":"sell_all"}\n',
        b'{"wish":"stop","level":"none","word":"x"}\n',
        b'{"wish":"stop","level":9}\n',
    ):
        assert b"not understood" in sent(path, content)
    assert loop.seen == []


def test_many_can_ask_at_once(loop, path):
    replies: list[object] = []
    threads = [threading.Thread(target=lambda: replies.append(ask(path, Request(Wish.STATUS)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(replies) == 12
    assert None not in replies


def posted_by_one_who_has_gone(path: Path, wish: Wish) -> list[Wish]:
    """Return what reaches the loop after the client has hung up before the agent came to listen."""
    mailbox = Mailbox()
    asker = socket.socket(socket.AF_UNIX)
    server = ControlServer(path, mailbox)
    accept, server._accept = server._accept, lambda: None
    with server:
        asker.connect(str(path))
        asker.sendall(encode(Request(wish)) + b"\n")
        asker.close()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        assert ask_in_turn(path, mailbox)
        heard = []
        while (letter := mailbox.take(0.2)) is not None:
            heard.append(letter.request.wish)
            letter.answer.set_result(Reply())
    return heard


def ask_in_turn(path: Path, mailbox: Mailbox) -> bool:
    """Let another request, which stands behind the first one, come as far as its refusal."""
    return b"not understood" in sent(path, b"-\n")


def test_a_stop_counts_although_whoever_asked_has_gone_and_a_release_does_not(path):
    assert posted_by_one_who_has_gone(path, Wish.STOP) == [Wish.STOP]
    assert posted_by_one_who_has_gone(path, Wish.RESUME) == []


def test_of_what_a_busy_agent_does_not_answer_a_stop_stands_and_a_release_is_withdrawn(path, monkeypatch):
    monkeypatch.setattr(server_module, "_GRACE_S", 0.0)
    mailbox = Mailbox()
    with ControlServer(path, mailbox):
        with pytest.raises(UnheardError, match="nothing was released"):
            ask(path, Request(Wish.RESUME))
        with pytest.raises(UnheardError, match=f"pid {os.getpid()}.*the request stands"):
            ask(path, Request(Wish.STOP))
        letter = mailbox.take()
        assert letter is not None
        assert letter.request.wish is Wish.STOP
        letter.answer.set_result(Reply())
        assert mailbox.take() is None


def test_who_waits_is_told_for_whom_and_in_the_end_that_nobody_answers(path, monkeypatch):
    monkeypatch.setattr(client_module, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(client_module, "_GRACE_S", 0.2)
    told = []
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(str(path))
        hung.listen(1)
        with pytest.raises(UnheardError, match="does not answer: it hangs") as caught:
            ask(path, Request(Wish.STOP), told.append)
        assert told == [caught.value.pid] == [os.getpid()]
        assert f"kill -9 {os.getpid()}" in caught.value.hint
        for _ in range(3):  # now its queue is full
            with pytest.raises(UnheardError):
                ask(path, Request(Wish.STOP))
