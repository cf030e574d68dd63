"""The deployment files: they parse, and name only what exists."""

import json
import re
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import typer.main
import yaml

from rookery.cli.main import app
from rookery.config import NOT_SETTINGS, load, sections
from rookery.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
LAUNCHED = ("cluster.yaml", "cluster-onprem.yaml")
FILES = (
    *LAUNCHED,
    "compose.yaml",
    "Dockerfile",
    "docs/operations.md",
    "deploy/cluster.env",
    "deploy/head.sh",
    "deploy/node.sh",
    "deploy/nginx.conf",
    "deploy/kuberay.yaml",
)
# Not what follows COPY, nor names such as rookery-ray and rookery.sqlite.
COMMAND = re.compile(r"(?<![\w/.-])(?<!COPY )rookery\"? ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(_text(name)))


def _ray_cluster() -> dict[str, Any]:
    (found,) = [each for each in _documents("deploy/kuberay.yaml") if each["kind"] == "RayCluster"]
    spec: dict[str, Any] = found["spec"]
    return spec


def _variables(name: str) -> dict[str, str]:
    """The variables that a file sets, those of Ray and ours."""
    if name == "deploy/cluster.env":
        lines = [line for line in _text(name).splitlines() if line and not line.startswith("#")]
        return dict(line.split("=", 1) for line in lines)
    if name == "compose.yaml":
        return dict(_documents(name)[0]["services"]["head"]["environment"])
    (found,) = [each for each in _documents(name) if each["kind"] == "ConfigMap"]
    return dict(found["data"])


@pytest.mark.parametrize("name", LAUNCHED)
def test_rays_launcher_accepts_the_cluster(name: str) -> None:
    """What `ray up` reads conforms to Ray's own schema."""
    spec = find_spec("ray")
    assert spec is not None and spec.submodule_search_locations is not None
    schema = Path(spec.submodule_search_locations[0]) / "autoscaler/ray-schema.json"
    jsonschema.validate(_documents(name)[0], json.loads(schema.read_text()))


def test_every_service_of_compose_has_a_healthcheck() -> None:
    """Compose can tell for each of its services whether it works."""
    services = _documents("compose.yaml")[0]["services"]
    assert {"mongo1", "redis", "head", "worker", "nginx"} <= services.keys()
    assert [name for name, each in services.items() if "test" not in each["healthcheck"]] == []


def test_compose_waits_only_for_services_it_has() -> None:
    """Each service that another one waits for exists."""
    services = _documents("compose.yaml")[0]["services"]
    awaited = {name for each in services.values() for name in each.get("depends_on", {})}
    assert awaited and awaited <= services.keys()


def test_nginx_passes_streams_on_to_the_network_of_compose() -> None:
    """The addresses that nginx lets through are those that Compose gives out."""
    (subnet,) = _documents("compose.yaml")[0]["networks"]["cluster"]["ipam"]["config"]
    network = subnet["subnet"].removesuffix(".0/24").replace(".", r"\.")
    assert f"(?<live_host>{network}\\.\\d+)" in _text("deploy/nginx.conf")


def _trusted(name: str) -> list[str]:
    return [each.strip() for each in _variables(name)["ROOKERY_HTTP_TRUSTED_PROXIES"].split(",")]


def test_nginx_names_a_host_to_gateways_whatever_it_was_asked() -> None:
    """HTTP/1.0 knows requests without one, which a gateway refuses over HTTP/1.1."""
    text = _text("deploy/nginx.conf")
    assert re.findall(r"proxy_set_header Host (\S+);", text) == ["$asked_host"]
    fallbacks = dict(re.findall(r"map \S+ \$(\w+_host) \{[^}]*\'\'\s+(\S+);", text))
    assert fallbacks == {"asked_host": "$own_host", "own_host": "$server_addr:$server_port"}


def test_compose_believes_nginx_alone() -> None:
    """By its own address, which nobody else can be given."""
    spec = _documents("compose.yaml")[0]
    nginx = spec["services"]["nginx"]["networks"]["cluster"]["ipv4_address"]
    (pool,) = spec["networks"]["cluster"]["ipam"]["config"]
    assert _trusted("compose.yaml") == [nginx]
    assert ip_address(nginx) in ip_network(pool["subnet"])
    assert ip_address(nginx) not in ip_network(pool["ip_range"])


@pytest.mark.parametrize("name", ["deploy/cluster.env", "deploy/kuberay.yaml", "compose.yaml"])
def test_no_file_trusts_a_network(name: str) -> None:
    """What is to be filled in is no address, so that the server does not start before it is."""
    for proxy in _trusted(name):
        if re.fullmatch("[A-Z_]+", proxy):
            with pytest.raises(ConfigError, match="trusted_proxies"):
                load(environ={}, overrides={"http": {"trusted_proxies": proxy}})
        else:
            assert ip_network(proxy).num_addresses == 1


@pytest.mark.parametrize("name", ["deploy/cluster.env", "deploy/kuberay.yaml", "compose.yaml"])
def test_ray_asks_for_a_token_everywhere(name: str) -> None:
    """Whoever reaches its ports can run code otherwise."""
    assert _variables(name)["RAY_AUTH_MODE"] == "token"


def test_kuberay_makes_the_token() -> None:
    """And spreads it to all pods."""
    assert _ray_cluster()["authOptions"] == {"mode": "token"}


def test_every_service_of_compose_that_runs_ray_has_the_token() -> None:
    """Whatever else it sets."""
    services = _documents("compose.yaml")[0]["services"]
    rays = [each for each in services.values() if "ray start" in str(each.get("command"))]
    assert len(rays) == 2
    for each in rays:
        assert each["environment"]["RAY_AUTH_MODE"] == "token"
        assert "RAY_AUTH_TOKEN" in each["environment"]


@pytest.mark.parametrize("name", LAUNCHED)
def test_the_launcher_starts_ray_by_the_script_only(name: str) -> None:
    """Which reads cluster.env and asks for a token whatever stands there."""
    spec = _documents(name)[0]
    commands = [*spec["head_start_ray_commands"], *spec["worker_start_ray_commands"]]
    assert commands and all("deploy/node.sh" in command for command in commands)


def test_the_scripts_ask_for_a_token_and_keep_files_private() -> None:
    """Also where the operator's file says nothing of either."""
    head, node = _text("deploy/head.sh"), _text("deploy/node.sh")
    assert 'RAY_AUTH_MODE="${RAY_AUTH_MODE:-token}"' in head and "umask 077" in head
    assert "--setenv=RAY_AUTH_MODE=token" in node and "UMask=0077" in node
    assert "StateDirectoryMode=0700" in node and node.count("--temp-dir=/var/lib/rookery/") == 2


def test_no_file_starts_ray_open() -> None:
    """No file turns the token off."""
    for path in (ROOT / name for name in (*FILES, "README.md")):
        assert re.search(r"RAY_AUTH_MODE\W+disabled", path.read_text()) is None, path


def test_pods_get_no_variables_of_services() -> None:
    """A Service called rookery would give them ROOKERY_PORT and others."""
    cluster = _ray_cluster()
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert group["template"]["spec"]["enableServiceLinks"] is False


def test_pods_are_reached_by_each_other_and_the_ingress_only() -> None:
    """Ray's ports by nobody else."""
    (policy,) = [
        each for each in _documents("deploy/kuberay.yaml") if each["kind"] == "NetworkPolicy"
    ]
    own, ingress = policy["spec"]["ingress"]
    assert own["from"] == [{"podSelector": policy["spec"]["podSelector"]}]
    assert [(each["port"], each["endPort"]) for each in ingress["ports"]] == [(8000, 8100)]


def test_pods_start_when_they_are_ready_and_drain_before_they_end() -> None:
    """Head and workers wait for /api/v1/ready, and workers drain."""
    cluster = _ray_cluster()
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    containers = [group["template"]["spec"]["containers"][0] for group in groups]
    for probe, path in (("startupProbe", "/api/v1/ready"), ("readinessProbe", "/api/v1/health")):
        assert {each[probe]["httpGet"]["path"] for each in containers} == {path}
    drains = [each["lifecycle"]["preStop"]["exec"]["command"][-1] for each in containers[1:]]
    assert drains and all("rookery drain" in command for command in drains)


def test_ray_is_set_up_alike_everywhere() -> None:
    """The files agree on how Ray finds dead nodes and on its other settings."""
    names = ("deploy/cluster.env", "compose.yaml", "deploy/kuberay.yaml")
    tuned = [
        {key: value for key, value in _variables(name).items() if re.match("RAY_[a-z]|MALLOC", key)}
        for name in names
    ]
    assert tuned[0] == tuned[1] == tuned[2]
    assert tuned[0]["RAY_health_check_period_ms"] == "500"


@pytest.mark.parametrize("name", FILES)
def test_settings_exist(name: str) -> None:
    """Every ROOKERY_ variable that is named is a setting."""
    known = {
        f"ROOKERY_{section}_{field}".upper()
        for section, cls in sections().items()
        for field in cls.__struct_fields__
    }
    named = set(re.findall(r"ROOKERY_[A-Z0-9_]*[A-Z0-9]", _text(name)))
    assert {each for each in named - known if not each.startswith(NOT_SETTINGS)} == set()


@pytest.mark.parametrize("name", FILES)
def test_commands_exist(name: str) -> None:
    """Every `rookery …` that is named is a command."""
    commands: Any = typer.main.get_command(app)
    unknown = set()
    for first, second in COMMAND.findall(_text(name)):
        command = commands.commands.get(first)
        if command is None:
            unknown.add(first)
        elif not second and getattr(command, "invoke_without_command", False):
            continue
        elif hasattr(command, "commands") and second not in command.commands:
            if second or not command.invoke_without_command:
                unknown.add(f"{first} {second}")
    assert unknown == set()


def test_the_guide_is_read_for_commands() -> None:
    """What finds the commands finds those that the guide is about."""
    found = {first for first, _ in COMMAND.findall(_text("docs/operations.md"))}
    assert {"serve", "check", "fsck", "status", "drain", "admin"} <= found
