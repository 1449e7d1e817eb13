"""The control socket: the owner's alone, one line in, one line out, and nothing that is sent can harm the agent."""

import socket
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.app.standing_agent import status

from holdfast.core.errors import HoldfastError, RefusedError
from holdfast.interfaces.control import server as server_module
from holdfast.interfaces.control.client import ask
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
