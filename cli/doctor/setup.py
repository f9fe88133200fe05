"""What a person set up: config.yaml with its caps, .env and its keys, the second factor, HALT."""

import stat

from dotenv.parser import parse_stream

from cli.doctor.checkup import Checkup
from cli.doctor.examine import aside
from cli.doctor.lines import Line, error, ok, warning
from cli.probes.kis import wrong_shape
from config import environment
from config.params import ConfigError, load_params
from config.secondfactor import read_secret
from services.venues import is_closed

INIT = "./seohak init"


async def config(world: Checkup) -> Line:
    """Readable, in bounds, and with a venue that is open."""
    path = world.settings.config_path
    try:
        trading = load_params(path).trading
    except ConfigError as refused:
        return error(str(refused), f"{path} 고친 뒤 ./seohak config / mend it, then ./seohak config")
    if trading.venue == "kis_real" and _closed(world):
        return error(
            "trading.venue: kis_real, 이 계좌는 아직 열리지 않았습니다 / go-live has not opened this account",
            f"{path}에서 venue를 paper나 kis_virtual로, 그다음 ./seohak go-live가 엽니다"
            " / set venue to paper or kis_virtual; ./seohak go-live opens it",
        )
    return ok(f"venue {trading.venue}, mode {trading.mode}")


def _closed(world: Checkup) -> bool:
    try:
        return is_closed(environment.kis(world.env, "kis_real"), world.state_dir)
    except ConfigError:
        # of a missing key the line of the keys tells
        return False


async def env_file(world: Checkup) -> Line:
    """There, readable by its owner alone, and every line of it understood."""
    path = world.env_file
    if not path.is_file():
        if world.env.get("TELEGRAM_BOT_TOKEN"):
            return ok("환경 변수를 씁니다 / keys come from the environment")
        return error(f"{path}: 없습니다 / is not there", INIT)
    mode = path.stat().st_mode
    if mode & 0o077:
        return error(
            f"{path} ({stat.filemode(mode)}): 다른 사용자가 키를 볼 수 있습니다 / others may read your keys",
            f"chmod 600 {path}",
        )
    try:
        with path.open(encoding="utf-8") as file:
            broken = [binding.original.line for binding in parse_stream(file) if binding.error]
    except UnicodeDecodeError:
        return error(f"{path}: UTF-8이 아닙니다 / is not UTF-8", f"iconv -f cp949 -t utf-8 {path}")
    except OSError as trouble:
        return error(f"{path}: 읽을 수 없습니다 / can't be read: {trouble.strerror}", f"sudo chown $USER {path}")
    if broken:
        return warning(
            f"{path}: {broken[0]}번째 줄을 읽을 수 없습니다 / line {broken[0]} makes no sense",
            "이름=값 형식으로 고치세요 / write NAME=value",
        )
    return ok(f"{path} (0600)")


async def keys(world: Checkup) -> Line:
    """Every key that the venue and the feed need, by name."""
    try:
        environment.telegram(world.env)
        environment.check_feed(world.env, world.feed)
        for kind in world.accounts:
            account = environment.kis(world.env, kind)
            if wrong := wrong_shape(account.appkey, account.appsecret, account.account):
                return error(wrong, INIT)
    except ConfigError as refused:
        return error(str(refused), INIT)
    return ok("필요한 키가 모두 있습니다 / every key that is needed is there")


async def second_factor(world: Checkup) -> Line:
    """Enrolled or not; a file that can't be used closes what it should open."""
    try:
        secret = await aside(lambda: read_secret(world.state_dir))
    except OSError as trouble:
        return error(str(trouble), "./seohak totp off, ./seohak totp enrol")
    if secret is None:
        told = "등록되어 있지 않습니다(선택) / not enrolled (optional): ./seohak totp enrol"
        if world.venue == "kis_real":
            return warning(
                "실계좌에 2차 인증이 없습니다 / a real account without a second factor", "./seohak totp enrol"
            )
        return ok(told)
    return ok("등록됨 / enrolled")


async def halt(world: Checkup) -> Line:
    """Somebody stopped all buying."""
    path = world.state_dir / "HALT"
    if path.exists():
        return warning(
            "HALT 파일이 있어 아무것도 사지 않습니다 / a HALT file keeps everything from being bought",
            f"풀려면 rm {path}, 그다음 봇에서 /resume / to lift it: rm {path}, then /resume in the chat",
        )
    return ok("없음 / none")
