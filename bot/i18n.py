"""Languages: gettext catalogues loaded from .po files, and numbers, money and times as people read them."""

import datetime as dt
import html
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton, format_timedelta
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

Language = Literal["ko", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DOMAIN = "seohak"
FOLDER = Path(__file__).parent.parent / "locales"
KST = ZoneInfo("Asia/Seoul")
ET = ZoneInfo("America/New_York")
_CLDR: dict[Language, str] = {"ko": "ko_KR", "en": "en_US"}
_CAPS = ((Decimal(10) ** 12, "T"), (Decimal(10) ** 9, "B"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "K"))


class Markup(str):
    """Text that is Telegram HTML already and must not be escaped again."""

    __slots__ = ()


def mark(message: str) -> str:
    """Name a message in a table for extraction; it is translated where it is shown."""
    return message


def language(code: str | None) -> Language | None:
    """Our language for a stored preference, a configuration value or a client's tag such as `ko-KR`."""
    head = (code or "").split("-")[0].lower()
    return next((known for known in LANGUAGES if known == head), None)


def load_catalog(locale: Language, folder: Path = FOLDER) -> dict[str, str]:
    """The translated messages of one language."""
    with (folder / locale / "LC_MESSAGES" / f"{DOMAIN}.po").open("rb") as file:
        catalog = read_po(file, locale=locale, abort_invalid=True)
    return {str(m.id): str(m.string) for m in catalog if m.id and m.string and not m.fuzzy}


class Translator:
    """One language: `t("Price: {price}", price=...)` is Telegram HTML with every value escaped."""

    def __init__(self, locale: Language, catalog: Mapping[str, str] | None = None) -> None:
        self.locale: Language = locale
        self._catalog = load_catalog(locale) if catalog is None else catalog

    def __call__(self, message: str, **values: object) -> Markup:
        shown = {key: v if isinstance(v, Markup) else html.escape(str(v), quote=False) for key, v in values.items()}
        return Markup(self._catalog.get(message, message).format(**shown))

    def plain(self, message: str, **values: object) -> str:
        """For buttons, toasts and pictures, which are not HTML."""
        return self._catalog.get(message, message).format(**values)

    def krw(self, amount: Decimal) -> str:
        """₩1,002,400"""
        whole = amount.quantize(Decimal(1), rounding=ROUND_HALF_UP)
        return format_decimal(whole, format="₩#,##0;-₩#,##0", locale=_CLDR[self.locale])

    def krw_signed(self, amount: Decimal) -> str:
        """+₩317,200"""
        return ("+" if amount > 0 else "") + self.krw(amount)

    def usd(self, amount: Decimal | float) -> str:
        """$142.50, and four places below a dollar as US quotes have them."""
        exact = amount if isinstance(amount, Decimal) else Decimal(str(amount))
        places = "0.00" if abs(exact) >= 1 or exact == 0 else "0.0000"
        rounded = exact.quantize(Decimal(places), rounding=ROUND_HALF_UP)
        return format_decimal(rounded, format=f"$#,##{places};-$#,##{places}", locale=_CLDR[self.locale])

    def usd_signed(self, amount: Decimal) -> str:
        """+$12.30, -$0.27: a sum of money, in cents whatever its size"""
        cents = amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
        return ("+" if cents > 0 else "") + format_decimal(
            cents, format="$#,##0.00;-$#,##0.00", locale=_CLDR[self.locale]
        )

    def pct(self, value: Decimal | float) -> str:
        """A change in percent with its sign: +31.6%"""
        rounded = Decimal(str(value)).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
        # Babel multiplies by 100 wherever a pattern holds a percent sign, even a quoted one.
        return format_decimal(rounded or Decimal("0.0"), format="+#,##0.0;-#,##0.0", locale=_CLDR[self.locale]) + "%"

    def level_pct(self, value: Decimal) -> str:
        """The distance of a price level: +30%, -15%, -7.5%"""
        rounded = value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
        return f"{rounded:+.0f}%" if rounded == rounded.to_integral_value() else f"{rounded:+.1f}%"

    def count(self, value: float | Decimal) -> str:
        """15,200"""
        return format_decimal(int(value), format="#,##0", locale=_CLDR[self.locale])

    def shares(self, qty: int) -> str:
        """7주, 7 shares, 1 share"""
        return self(mark("1 share")) if qty == 1 else self(mark("{qty} shares"), qty=self.count(qty))

    def cap(self, value: float | None) -> str:
        """A market capitalisation: $3.5T"""
        if value is None:
            return self(mark("unknown"))
        exact = Decimal(str(value))
        for limit, unit in _CAPS:
            if exact >= limit * Decimal("0.99995"):
                short = (exact / limit).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
                return f"${short}{unit}"
        return f"${exact:,.0f}"

    def clock(self, at: dt.datetime) -> str:
        """23:31 in Korea, without the zone's name."""
        return f"{at.astimezone(KST):%H:%M}"

    def time(self, at: dt.datetime) -> str:
        """23:31 KST"""
        return f"{self.clock(at)} KST"

    def when(self, at: dt.datetime) -> str:
        """11월 20일 (금) 23:31 KST"""
        return f"{self.day(at.astimezone(KST).date())} {self.time(at)}"

    def day(self, on: dt.date) -> str:
        """11월 20일 (금)"""
        return format_skeleton("MMMEd", dt.datetime.combine(on, dt.time()), locale=_CLDR[self.locale])

    def age(self, at: dt.datetime, now: dt.datetime) -> str:
        """5분 전"""
        if now - at < dt.timedelta(seconds=2):
            return self(mark("just now"))
        return format_timedelta(at - now, add_direction=True, threshold=1.2, locale=_CLDR[self.locale])

    def span(self, delta: dt.timedelta) -> str:
        """3시간 12분"""
        minutes = max(0, int(delta.total_seconds())) // 60
        if minutes >= 48 * 60:
            return self(mark("{days} days {hours} h"), days=minutes // 1440, hours=minutes % 1440 // 60)
        if minutes >= 60:
            return self(mark("{hours} h {minutes} min"), hours=minutes // 60, minutes=minutes % 60)
        return self(mark("{minutes} min"), minutes=minutes)


Translators = Mapping[Language, Translator]


def translators(folder: Path = FOLDER) -> dict[Language, Translator]:
    """Every language, loaded once at start."""
    return {known: Translator(known, load_catalog(known, folder)) for known in LANGUAGES}
