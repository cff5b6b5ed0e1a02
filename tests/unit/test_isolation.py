"""Unit tests cannot reach a network even if they try."""

import socket

import pytest
from pytest_socket import SocketBlockedError


def test_sockets_are_refused() -> None:
    with pytest.warns(UserWarning, match="socket"), pytest.raises(SocketBlockedError):
        socket.socket()
