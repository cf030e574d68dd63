"""What is to run on which node."""

import pytest

from rookery.actors.runtime import Node
from rookery.cluster.nodes import Nodes, live_ports, members_of
from rookery.config import Config, load
from rookery.errors import NotFound

HEAD = Node(id="a" * 8, host="10.0.0.1", cpus=2.0, labels={}, is_head=True)
OTHER = Node(id="b" * 8, host="10.0.0.2", cpus=2.0, labels={})
THIRD = Node(id="c" * 8, host="10.0.0.3", cpus=2.0, labels={})


@pytest.fixture
def nodes() -> Nodes:
    return Nodes(Config())


def test_names_are_unique_and_freed_ones_are_given_again(nodes: Nodes) -> None:
    """So that users stay where they are when a node is replaced."""
    first, second = nodes.place(HEAD), nodes.place(OTHER)
    assert first.actors.shards == ("TimelineShard-0",)
    assert second.actors.shards == ("TimelineShard-1",)
    nodes.drop(HEAD.id)
    assert nodes.place(THIRD).actors == first.actors


def test_a_node_of_which_a_part_is_missing_is_not_adopted(nodes: Nodes) -> None:
    """It is emptied, and joins like a new one."""
    serving = members_of([nodes.place(HEAD), nodes.place(OTHER)])
    others = {"TimelineShard-1", "Gateway-1", "ConnectionServer-1"}
    nodes.clear()
    nodes.adopt(OTHER, serving, others - {"Gateway-1"})
    assert nodes.placed == {}
    nodes.adopt(OTHER, serving, others)
    assert nodes.placed[OTHER.id].state == "serving"
    assert set(nodes.placed[OTHER.id].actors.all) == others
    nodes.adopt(HEAD, serving, set())
    assert HEAD.id not in nodes.placed


def test_what_there_is_one_of_stays_off_the_head_where_it_can(nodes: Nodes) -> None:
    """And off nodes that do not serve yet."""
    nodes.place(HEAD).state = "serving"
    other = nodes.place(OTHER)
    assert nodes.for_singles == [HEAD.id]
    other.state = "serving"
    assert nodes.for_singles == [OTHER.id]


def test_who_died_is_told_from_who_lives(nodes: Nodes) -> None:
    """By the ids of those that are alive."""
    nodes.place(HEAD)
    dead = nodes.place(OTHER)
    assert nodes.gone({HEAD.id: HEAD}) == [dead]


def test_nodes_are_found_by_the_beginning_of_an_id_or_by_address(nodes: Nodes) -> None:
    """If that means one of them."""
    head = nodes.place(HEAD)
    nodes.place(OTHER)
    nodes.place(Node(id="bc" * 4, host="10.0.0.4", cpus=2.0, labels={}))
    assert nodes.find("aa") is nodes.find("10.0.0.1") is head
    with pytest.raises(NotFound, match="several nodes are called 'b'"):
        nodes.find("b")


def test_connection_servers_listen_on_ports_in_a_row(nodes: Nodes) -> None:
    """From the first one on; or each where the system says."""
    nodes.place(HEAD)
    actors = nodes.place(OTHER).actors
    assert live_ports(load(environ={}), actors) == {"ConnectionServer-1": 8002}
    free = load(environ={}, overrides={"live": {"port": 0}})
    assert live_ports(free, actors) == {"ConnectionServer-1": 0}
