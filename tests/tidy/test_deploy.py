"""The files of deploy/ are well-formed, name what exists, hold no secret and give nothing more than is needed."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cli.__main__ import COMMANDS
from cli.programs import PROGRAMS, SUPERVISED
from cli.running import GUARDIAN_STOP_S, SUPERVISORD_STOP_S

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


class Unit(configparser.RawConfigParser):
    """A unit file; a key may come more than once."""

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None)
        self.optionxform = str
        self.read(path)

    @property
    def service(self) -> dict[str, str]:
        return dict(self["Service"])


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_is_restarted_always_and_runs_with_few_rights(path: Path) -> None:
    service = Unit(path).service
    assert service["Restart"] == "always"
    assert Unit(path)["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["User"] == "seohak"
    assert service["NoNewPrivileges"] == service["PrivateTmp"] == service["ProtectHome"] == "true"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["UMask"] == "0077"
    assert service["LimitCORE"] == "0", "a core dump would hold keys"
    assert "MemoryMax" in service


def test_the_units_start_commands_that_exist() -> None:
    main, guardian = (Unit(DEPLOY / "systemd" / f"{n}.service").service for n in ("seohak", "seohak-guardian"))
    program, command, *options = main["ExecStart"].split()
    assert (ROOT / Path(program).name).exists()
    assert command in COMMANDS
    assert options == ["--foreground", "--guardian-apart"]
    assert guardian["ExecStart"].split()[-3:] == ["-m", "cli.launch", "guardian"]
    assert "guardian" in PROGRAMS
    assert float(main["TimeoutStopSec"]) > SUPERVISORD_STOP_S
    assert float(guardian["TimeoutStopSec"]) >= GUARDIAN_STOP_S


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """With paths and a user that exist here."""
    for path in UNITS:
        text = path.read_text(encoding="utf-8").replace("/opt/seohak", str(ROOT))
        text = re.sub(r"^(User|Group)=.*", r"\1=root", text, flags=re.MULTILINE)
        (tmp_path / path.name).write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "seohak" in line]
    assert ours == []


def test_the_image_is_pinned_slim_not_root_and_tells_its_health() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == ["python:3.12-slim-bookworm"] * 2
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert (ROOT / "requirements.lock").exists()
    user, entry = DOCKERFILE.index("\nUSER seohak"), DOCKERFILE.index("\nENTRYPOINT")
    assert user < entry
    (check,) = re.findall(r"HEALTHCHECK .*CMD (\[.*\])", DOCKERFILE)
    assert yaml.safe_load(check) == ["python", "-m", "cli", "status"]
    (command,) = re.findall(r"^CMD (\[.*\])", DOCKERFILE, re.MULTILINE)
    assert yaml.safe_load(command)[0] in COMMANDS


def test_nothing_private_gets_into_the_image() -> None:
    assert {".env", ".git", "state", "caps.toml", "deploy/*.env"} <= set(IGNORED)
    assert not [line for line in IGNORED if line.startswith("!")]


def test_the_composition_names_what_exists() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"app", "redis", "postgres"}
    build = services["app"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
    assert services["app"]["command"][0] in COMMANDS
    assert services["app"]["healthcheck"]["test"][-1] in COMMANDS
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).exists()
        files = service.get("env_file", [])
        for name in [files] if isinstance(files, str) else files:
            example = "env.example" if name.endswith("/.env") else f"{Path(name).name}.example"
            assert (DEPLOY / name).parent.joinpath(f".{example}" if name.endswith("/.env") else example).exists()


def test_every_container_has_a_health_check_limits_and_few_rights() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["healthcheck"]["test"], name
        assert service["restart"] == "unless-stopped"
        assert "no-new-privileges:true" in service["security_opt"]
        assert service["mem_limit"]
        assert "ports" not in service, "nothing listens to the world"
        assert not service.get("privileged")
    app = COMPOSE["services"]["app"]
    assert app["read_only"] is True
    assert app["cap_drop"] == ["ALL"]
    assert app["depends_on"] == {n: {"condition": "service_healthy"} for n in ("redis", "postgres")}
    assert float(app["stop_grace_period"].removesuffix("s")) > sum(p.stop_s for p in SUPERVISED)


def test_images_have_plain_names_and_a_version() -> None:
    images = [s["image"] for s in COMPOSE["services"].values() if "image" in s]
    assert all(re.fullmatch(r"[a-z]+:\d+[a-z0-9.-]*", image) for image in images), images


@pytest.mark.parametrize("path", sorted(p for p in DEPLOY.rglob("*") if p.is_file()), ids=lambda path: path.name)
def test_no_deploy_file_holds_a_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"^\s*-?\s*\w*(?:PASSWORD|TOKEN|APPKEY|SECRET|API_KEY)\w*[=:][ \t]*(\S+)", text, re.MULTILINE)
    assert not re.search(r"\d{6,}:[A-Za-z0-9_-]{30,}", text)
