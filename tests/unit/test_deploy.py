"""The deployment files: they parse, and name only what exists."""

import json
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import typer.main
import yaml

from rookery.cli.main import app
from rookery.config import NOT_SETTINGS, sections

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
        elif hasattr(command, "commands") and second not in command.commands:
            unknown.add(f"{first} {second}")
    assert unknown == set()


def test_the_guide_is_read_for_commands() -> None:
    """What finds the commands finds those that the guide is about."""
    found = {first for first, _ in COMMAND.findall(_text("docs/operations.md"))}
    assert {"serve", "check", "fsck", "status", "drain", "admin"} <= found


@pytest.mark.parametrize(("shell", "name"), [("bash", "head.sh"), ("sh", "node.sh")])
def test_the_shell_reads_the_script(shell: str, name: str) -> None:
    """The scripts are without syntax errors."""
    subprocess.run([shell, "-n", ROOT / "deploy" / name], check=True)
