"""Supervisord's configuration, read by supervisord itself."""

from configparser import RawConfigParser
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from cli.programs import (
    PROGRAMS,
    SECRET_HEADS,
    SERVICES,
    SUPERVISED,
    Run,
    environment_of,
    last_line,
    read_run,
    write_run,
)
from cli.supervision import Supervisor, SupervisorTrouble, configuration

NAMES = [p.name for p in SUPERVISED]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state directory whose name has a space."""
    state = tmp_path / "내 상태"
    (state / "logs").mkdir(parents=True)
    return state


@pytest.fixture
def options(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ServerOptions:
    conf = folder / "supervisord.conf"
    conf.write_text(configuration(folder, folder / "s.sock", NAMES))
    found = ServerOptions()
    # whatever the runner's own command line is
    monkeypatch.setattr("sys.argv", ["supervisord"])
    found.realize(["-c", str(conf), "-n"])
    return found


def groups(options: ServerOptions) -> dict[str, object]:
    return {group.name: group for group in options.process_group_configs}


def test_supervisord_reads_every_program_of_the_table(options: ServerOptions, folder: Path) -> None:
    assert set(groups(options)) == {*NAMES, "watch", "keeper"}
    for name in NAMES:
        (process,) = groups(options)[name].process_configs
        assert process.command.endswith(f"-m cli.launch {name}")
        assert process.stdout_logfile == str(folder / "logs" / f"{name}.log")
        assert process.stopwaitsecs == PROGRAMS[name].stop_s
        assert process.killasgroup
        assert process.redirect_stderr
        assert process.stdout_logfile_maxbytes > 0
        assert process.stdout_logfile_backups > 0


@pytest.mark.parametrize("name", [*NAMES, "watch"])
def test_a_program_is_restarted_whatever_its_exit_code_and_is_never_given_up(options: ServerOptions, name: str) -> None:
    """The defaults would leave exit code 0 alone, and end in FATAL after three tries."""
    (process,) = groups(options)[name].process_configs
    assert process.autorestart.__name__ == "RestartUnconditionally"
    assert process.startretries >= 1_000_000


def test_programs_start_in_the_order_of_the_table_and_stop_backwards(options: ServerOptions) -> None:
    order = sorted(groups(options).values(), key=lambda group: group.priority)
    assert [g.name for g in order if g.name in NAMES] == NAMES == ["redis", "collector", "analyzer", "trader", "bot"]


def test_the_guardian_is_not_under_supervisord(options: ServerOptions) -> None:
    assert "guardian" not in groups(options)


def test_the_control_socket_is_this_users_own_and_there_is_no_network(options: ServerOptions) -> None:
    (server,) = options.server_configs
    assert "inet" not in str(server["section"])
    assert server["chmod"] == 0o700


def test_what_is_left_out_and_an_own_redis_are_not_in_it(folder: Path) -> None:
    parser = RawConfigParser()
    parser.read_string(configuration(folder, folder / "s.sock", ["collector", "analyzer", "trader"]))
    assert not parser.has_section("program:redis")
    assert not parser.has_section("program:bot")
    assert parser.has_section("program:trader")


@pytest.mark.parametrize("odd", ["100%", "a;b", "a #b", 'a"b'])
def test_a_folder_that_supervisord_would_misread_is_refused(tmp_path: Path, odd: str) -> None:
    with pytest.raises(ValueError, match="supervisord can't work in a folder"):
        configuration(tmp_path / odd, tmp_path / "s.sock", NAMES)


def test_the_configuration_names_no_secret(folder: Path) -> None:
    text = configuration(folder, folder / "s.sock", NAMES)
    assert not any(head in text for head in SECRET_HEADS)


def test_a_stranger_gets_no_secret_and_every_secret_has_an_owner() -> None:
    env = dict.fromkeys(
        ("PATH", "KIS_APPKEY", "TELEGRAM_BOT_TOKEN", "POLYGON_API_KEY", "DATABASE_URL", "REDIS_URL"), "x"
    )
    assert environment_of("sandbox", env).keys() == {"PATH"}
    assert environment_of("watch", env).keys() == {"PATH", "TELEGRAM_BOT_TOKEN"}
    assert environment_of("guardian", env).keys() == {"PATH", "KIS_APPKEY"}
    given = {key for program in SERVICES for key in environment_of(program.name, env)}
    assert given == env.keys()


def test_what_was_asked_to_run_is_remembered(tmp_path: Path) -> None:
    run = Run(programs=("trader", "guardian"), socket="/x.sock", guardian_apart=True)
    assert read_run(tmp_path) is None
    write_run(tmp_path, run)
    assert read_run(tmp_path) == run
    assert not run.keeps_guardian
    (tmp_path / "run.json").write_text("[]")
    assert read_run(tmp_path) is None


def test_the_last_line_of_a_log(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    assert last_line(path) == ""
    path.write_bytes(b"first\n\xff last \n\n")
    assert last_line(path) == "\ufffd last"
    path.write_text("x" * 100_000)
    assert last_line(path, 10) == "x" * 10


def test_a_supervisord_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SupervisorTrouble, match="does not answer"):
        Supervisor(str(tmp_path / "none.sock")).states()
