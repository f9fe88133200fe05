"""The one table of checks, in the order in which they are shown."""

from collections.abc import Mapping

from cli.doctor import machine, outside, programs, setup, stores, times
from cli.doctor.examine import Check

CHECKS = (
    Check(name="python", words="파이썬 / Python", look=machine.python),
    Check(name="packages", words="패키지 / packages", look=machine.packages),
    Check(name="memory", words="메모리 / memory", look=machine.memory),
    Check(name="disk", words="디스크 / disk", look=machine.disk),
    Check(name="state", words="상태 디렉터리 / state directory", look=machine.state),
    Check(name="filesystem", words="파일 시스템 / file system", look=machine.filesystem),
    Check(name="clock", words="시계 / clock", look=times.clock, net=True),
    Check(name="calendar", words="거래 시간 / session", look=times.calendar),
    Check(name="config", words="config.yaml", look=setup.config),
    Check(name="env", words=".env", look=setup.env_file),
    Check(name="keys", words="키 / keys", look=setup.keys),
    Check(name="telegram", words="텔레그램 봇 / Telegram bot", look=outside.bot, net=True),
    Check(name="reader", words="봇 메시지 / bot's messages", look=outside.reader, net=True, limit_s=20.0),
    Check(name="owners", words="주인 / owners", look=outside.owners, net=True),
    Check(name="polygon", words="시세 / market data", look=outside.feed, net=True, limit_s=40.0),
    Check(name="token", words="KIS 토큰 / KIS token", look=outside.kis_token),
    Check(name="kis", words="KIS 계좌 / KIS account", look=outside.kis, net=True, limit_s=40.0),
    Check(name="master", words="종목 파일 / symbol files", look=times.master),
    # a server of one's own may be elsewhere, but without it nothing works: it is no luxury to ask
    Check(name="redis", words="Redis", look=stores.redis),
    Check(name="database", words="데이터베이스 / database", look=stores.database, limit_s=20.0),
    Check(name="journal", words="매매 기록 / journal", look=stores.journal, limit_s=60.0),
    Check(name="programs", words="프로그램 / programs", look=programs.programs),
    Check(name="trader", words="매매봇 / trader", look=programs.trader),
    Check(name="guard", words="손절 감시 / guard of the stops", look=programs.guard),
    Check(name="halt", words="긴급 정지 / HALT", look=setup.halt),
    Check(name="totp", words="2차 인증 / second factor", look=setup.second_factor),
)
BY_NAME: Mapping[str, Check] = {check.name: check for check in CHECKS}
