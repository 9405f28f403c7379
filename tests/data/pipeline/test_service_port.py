"""At which addresses the port of a service answers, and who is told so."""

import contextlib
import socket

import free_ports
import pytest

from brave_tf.data.pipeline import service_port
from brave_tf.errors import UserError


def own_address():
    """An address of this machine that is not loopback; none where it has no network."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Nothing is sent: the system only tells from where it would be.
        sock.connect(("198.51.100.1", 9))
        return sock.getsockname()[0]
    return None


@pytest.fixture
def port():
    """A port at which this process listens on all interfaces, as TensorFlow does."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("kept", ["127.0.0.1", "127.0.0.3", "::1"])
def test_a_confined_port_answers_at_its_address_alone(port, kept):
    others = {"127.0.0.1", "127.0.0.2", "127.0.0.3", "::1", own_address()} - {kept, None}
    assert all(free_ports.answers(each, port) for each in [kept, *others])
    service_port.confine(port, service_port.reach(kept, insecure=False).addresses)
    assert free_ports.answers(kept, port)
    assert not any(free_ports.answers(each, port) for each in others)


def test_several_addresses_of_both_kinds(port):
    addresses = [*service_port.reach("::1", False).addresses]
    addresses += service_port.reach("127.0.0.3", False).addresses
    service_port.confine(port, addresses)
    found = [free_ports.answers(each, port) for each in ("::1", "127.0.0.3", "127.0.0.1")]
    assert found == [True, True, False]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_loopback_is_for_this_machine_alone(host):
    reach = service_port.reach(host, insecure=False)
    assert reach.local and reach.name == host
    assert str(reach) == "only processes of this machine can reach it"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", own_address() or "0.0.0.0"])
def test_what_others_may_reach_has_to_be_asked_for(host):
    with pytest.raises(UserError, match="no authentication.*--insecure.*SSH tunnels"):
        service_port.reach(host, insecure=False)
    reach = service_port.reach(host, insecure=True)
    assert not reach.local
    assert "WHOEVER can reach" in str(reach) and "firewall" in str(reach)


@pytest.mark.parametrize("host", ["no-such-name.invalid", "192.0.2.250", ""])
def test_what_is_no_address_of_this_machine_is_refused(host):
    with pytest.raises(UserError, match=f"--host={host} is"):
        service_port.reach(host, insecure=True)


def test_a_port_that_cannot_be_confined_is_refused(port, monkeypatch):
    addresses = service_port.reach("localhost", False).addresses
    monkeypatch.setattr(service_port.os, "listdir", lambda folder: [])
    with pytest.raises(UserError, match=f"port {port} cannot be kept to.*--insecure"):
        service_port.confine(port, addresses)
