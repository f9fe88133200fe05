"""KIS's refusals: code, words and HTTP status, as published or seen in the wild."""

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Refusal(Exception):
    """A business refusal has HTTP 200 and rt_cd 1 or 7; the gateway's have HTTP 500."""

    code: str
    text: str
    rt_cd: str = "1"
    status: int = 200

    def body(self) -> dict[str, object]:
        return {"rt_cd": self.rt_cd, "msg_cd": self.code, "msg1": self.text}


@dataclass(frozen=True)
class OAuthRefusal(Exception):
    """The OAuth endpoints have a shape of their own."""

    code: str
    text: str
    status: int = 403

    def body(self) -> dict[str, object]:
        return {"error_description": self.text, "error_code": self.code}


class RefusedError(Exception):
    """Carries a refusal out of the rules to the gateway, which answers with it."""

    def __init__(self, refusal: Refusal | OAuthRefusal) -> None:
        super().__init__(f"{refusal.code} {refusal.text}")
        self.refusal = refusal


def _gateway(code: str, text: str) -> Refusal:
    return Refusal(code, text, "1", 500)


BAD_APPKEY = OAuthRefusal("EGW00103", "유효하지 않은 AppKey입니다.")
BAD_APPSECRET = OAuthRefusal("EGW00105", "유효하지 않은 AppSecret입니다.")
BAD_GRANT = OAuthRefusal("EGW00116", "지원하지 않는 권한부여 타입(grant_type)입니다.")
TOKEN_TOO_SOON = OAuthRefusal("EGW00133", "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)")

KEY_REFUSED = _gateway("EGW00103", "유효하지 않은 AppKey입니다.")
SECRET_REFUSED = _gateway("EGW00105", "유효하지 않은 AppSecret입니다.")
TOKEN_INVALID = _gateway("EGW00121", "유효하지 않은 token 입니다.")
TOKEN_MISSING = _gateway("EGW00122", "token을 찾을 수 없습니다")
TOKEN_EXPIRED = _gateway("EGW00123", "기간이 만료된 token 입니다.")
RATE_LIMIT = _gateway("EGW00201", "초당 거래건수를 초과하였습니다.")
ROUTING = _gateway("EGW00202", "GW라우팅 중 오류가 발생했습니다.")
NOT_REAL_TR = _gateway("EGW02004", "실전투자 TR 이 아닙니다.")
NOT_PAPER_TR = _gateway("EGW02006", "모의투자 TR 이 아닙니다.")
NOT_PAPER_KEY = _gateway("EGW02007", "해당 앱키는 모의투자용 앱키가 아닙니다.")
NOT_REAL_KEY = _gateway("EGW02004", "해당 앱키는 실전투자용 앱키가 아닙니다.")
WRONG_ACCOUNT = _gateway("IGW00002", "현재 계좌의 계좌번호와 요청 계좌번호가 일치하지 않습니다.")
BODY_INCOMPLETE = _gateway("IGW00007", "MCA 전문바디 구성 중 오류가 발생하였습니다.")
NO_SERVICE = _gateway("OPSQ0002", "없는 서비스 코드 입니다")
NO_TR_ID = _gateway("OPSQ9999", "tr_id not found")
BAD_MARKET = _gateway("OPSQ2001", "ERROR : INPUT INVALID_CHECK_MRKT_DIV_CODE")
BAD_FIELD = _gateway("OPSQ2002", "ERROR : INPUT INVALID_CHECK_FIELD_LENGTH")

PRICE_DECIMALS = Refusal("APTR0057", "주문 가격을 확인 하시기 바랍니다. 1$이상 소수점 2자리까지만 가능 합니다.", "7")
NO_SYMBOL = Refusal("APBK0656", "해당종목정보가 없습니다.", "7")
PRICE_TOO_LOW = Refusal("APBK1507", "가격 $0.01 미만시 온라인 주문불가", "7")
ORDER_DIVISION = Refusal("APBK1269", "주문구분 입력오류입니다.", "7")
# KIS's codes for these two are not published; the words are what its clients see
QUANTITY = Refusal("APBK0400", "주문수량을 확인 하여 주십시요.", "7")
NO_ORIGINAL = Refusal("APBK0344", "원주문정보가 존재하지 않습니다.", "7")

# what an injected error says by itself; KIS's words from its FAQ
KNOWN = MappingProxyType(
    {
        refusal.code: refusal
        for refusal in (
            _gateway("EGW00001", "일시적 오류가 발생했습니다."),
            _gateway("EGW00002", "서버 에러가 발생했습니다."),
            TOKEN_INVALID,
            TOKEN_MISSING,
            TOKEN_EXPIRED,
            TOKEN_TOO_SOON,
            RATE_LIMIT,
            ROUTING,
            _gateway("EGW00215", "원장에서 허용 가능한 초당 거래건수를 초과하였습니다."),
            _gateway("EGW00300", "Gateway 라우팅 오류가 발생했습니다."),
            _gateway("EGW00301", "연결 시간이 초과되었습니다.직전 거래를 반드시 확인하세요"),
            _gateway("EGW00302", "거래시간이 초과되었습니다.직전 거래를 반드시 확인하세요"),
        )
    }
)
DEAD_TOKENS = MappingProxyType({r.code: r for r in (TOKEN_INVALID, TOKEN_MISSING, TOKEN_EXPIRED)})


@dataclass(frozen=True)
class Wording:
    """What differs between the hosts."""

    bought: tuple[str, str]
    sold: tuple[str, str]
    cancelled: tuple[str, str]
    inquired: tuple[str, str]
    nothing: tuple[str, str]
    no_cash: Refusal
    no_shares: Refusal
    no_original: Refusal
    nothing_to_cancel: Refusal
    too_early: Refusal
    too_late: Refusal
    no_session: Refusal


_SENT = ("APBK0013", "주문 전송 완료 되었습니다.")
_CLOSED = Refusal("APBK0918", "장운영시간이 아닙니다.(단,주간거래시간이면 전용화면 주문가능, 주문시간 외 불가)", "7")

REAL = Wording(
    bought=_SENT,
    sold=_SENT,
    cancelled=_SENT,
    inquired=("KIOK0510", "조회가 완료되었습니다"),
    nothing=("KIOK0560", "조회할 내용이 없습니다"),
    no_cash=Refusal("APBK0952", "주문가능금액을 초과 했습니다", "7"),
    no_shares=Refusal("APBK0988", "주문수량이 가능수량보다 큽니다", "7"),
    no_original=NO_ORIGINAL,
    nothing_to_cancel=Refusal("APBK1359", "정정취소수량이 주문수량보다 많습니다", "7"),
    too_early=_CLOSED,
    too_late=_CLOSED,
    no_session=_CLOSED,
)

PAPER = Wording(
    bought=("40600000", "모의투자 매수주문이 완료 되었습니다."),
    sold=("40590000", "모의투자 매도주문이 완료 되었습니다."),
    cancelled=("40630000", "모의투자 취소주문이 완료 되었습니다."),
    inquired=("20310000", "모의투자 조회가 완료되었습니다."),
    nothing=("20310000", "모의투자 조회가 완료되었습니다."),
    no_cash=Refusal("40250000", "모의투자 주문가능금액이 부족합니다."),
    no_shares=Refusal("40240000", "모의투자 잔고내역이 없습니다."),
    no_original=Refusal("40320000", "모의투자 원주문번호가 존재하지 않습니다."),
    nothing_to_cancel=Refusal("40330000", "모의투자 정정/취소할 수량이 없습니다."),
    too_early=Refusal("40570000", "모의투자 장시작전 입니다."),
    too_late=Refusal("40580000", "모의투자 장종료 입니다."),
    no_session=Refusal("40100000", "모의투자 영업일이 아닙니다."),
)
