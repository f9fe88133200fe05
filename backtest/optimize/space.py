"""Which settings are searched between which ends, from the command line's words and the bounds of config.yaml."""

import math
from collections.abc import Mapping, Sequence

import msgspec
import optuna

from config.params import ConfigError, Setting, parse_value, settings
from core.model.params import Params
from core.model.safety import CAPPED, Caps, exceeds

Value = bool | int | float | str
# from here on a range without steps is searched by powers and not by sums
WIDE = 100
NO_CAPS = Caps()


class Range(msgspec.Struct, frozen=True, kw_only=True, tag="range"):
    """Numbers from `low` to `high`, in steps where there are any."""

    key: str
    low: float
    high: float
    step: float | None = None
    whole: bool = False

    def suggest(self, trial: optuna.Trial) -> Value:
        """What this trial tries."""
        log = self.step is None and self.low > 0 and self.high / self.low >= WIDE
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(self.key, int(self.low), int(self.high), step=step, log=log)
        return trial.suggest_float(self.key, self.low, self.high, step=self.step, log=log)


class Choices(msgspec.Struct, frozen=True, kw_only=True, tag="choices"):
    """One of some values."""

    key: str
    values: tuple[Value, ...]

    def suggest(self, trial: optuna.Trial) -> Value:
        """What this trial tries."""
        found = trial.suggest_categorical(self.key, self.values)
        assert found is not None
        return found


Dimension = Range | Choices


def space(texts: Sequence[str]) -> tuple[Dimension, ...]:
    """All `--param` of a command line; raises ConfigError."""
    found: dict[str, Dimension] = {}
    for text in texts:
        dimension = parse(text)
        if dimension.key in found:
            raise ConfigError(f"--param {dimension.key}: said twice")
        found[dimension.key] = dimension
    if not found:
        raise ConfigError("nothing to search: --param trading.take_profit_pct=10:60:5, as often as you like")
    return tuple(found.values())


def parse(text: str) -> Dimension:
    """`KEY` (all that config.yaml allows), `KEY=LOW:HIGH`, `KEY=LOW:HIGH:STEP` or `KEY=A,B,C`; raises ConfigError."""
    key, sign, words = text.partition("=")
    if key.startswith("execution."):
        raise ConfigError(f"--param {key}: an assumption about the broker is nothing to choose; --set says it")
    if key not in settings():
        # says which keys there are
        parse_value(key, words)
    setting = settings()[key]
    if sign and ":" in words and setting.kind in {int, float}:
        return _range(setting, words)
    if sign:
        return _choices(setting, words)
    if setting.kind is bool:
        return Choices(key=key, values=(True, False))
    if setting.choices:
        return Choices(key=key, values=setting.choices)
    if setting.kind in {int, float} and setting.low is not None and setting.high is not None:
        return Range(key=key, low=setting.low, high=setting.high, whole=setting.kind is int)
    raise ConfigError(f"--param {key}: has no ends to search between; name values: {key}=A,B,C")


def _range(setting: Setting, words: str) -> Range:
    key, whole = setting.key, setting.kind is int
    try:
        low, high, *steps = (float(word) for word in words.split(":"))
        if len(steps) > 1 or not all(map(math.isfinite, (low, high, *steps))):
            raise ValueError(words)
    except ValueError:
        raise ConfigError(f"--param {key}={words}: expected LOW:HIGH or LOW:HIGH:STEP") from None
    for end in (low, high):
        parse_value(key, end)
    step = steps[0] if steps else None
    if low >= high:
        raise ConfigError(f"--param {key}={words}: {low:g} is not below {high:g}")
    if step is not None and not 0 < step <= high - low:
        raise ConfigError(f"--param {key}={words}: a step of {step:g} does not fit between {low:g} and {high:g}")
    if whole and step is not None and not step.is_integer():
        raise ConfigError(f"--param {key}={words}: whole numbers need a whole step")
    if step is not None:
        # the last value is one that the steps reach
        high = round(low + math.floor((high - low) / step + 1e-9) * step, 12)
    return Range(key=key, low=low, high=high, step=step, whole=whole)


def _choices(setting: Setting, words: str) -> Choices:
    key = setting.key
    if setting.kind is tuple:
        raise ConfigError(f"--param {key}: a list is not searched; --set says it")
    values = tuple(_value(setting, word.strip()) for word in words.split(","))
    if len(set(values)) < 2:
        raise ConfigError(f"--param {key}={words}: expected LOW:HIGH, LOW:HIGH:STEP or at least two values A,B")
    return Choices(key=key, values=tuple(dict.fromkeys(values)))


def _value(setting: Setting, word: str) -> Value:
    value: object = word
    if setting.kind is not str:
        try:
            value = msgspec.json.decode(word)
        except msgspec.DecodeError:
            # the refusal says what is allowed
            value = word
    parsed = parse_value(setting.key, value)
    assert isinstance(parsed, (bool, int, float, str))
    return parsed


def applied(base: Params, values: Mapping[str, Value], caps: Caps = NO_CAPS) -> Params:
    """The settings with these values; raises ConfigError where they contradict each other or break the owner's caps."""
    changed: dict[str, dict[str, object]] = {}
    for key, value in values.items():
        section, name = key.split(".")
        changed.setdefault(section, {})[name] = parse_value(key, value)
    sections = {name: msgspec.structs.replace(getattr(base, name), **fields) for name, fields in changed.items()}
    try:
        params = msgspec.structs.replace(base, **sections)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    for name, limited in changed.get("trading", {}).items():
        if name in CAPPED and isinstance(limited, (int, float)) and exceeds(name, limited, caps):
            raise ConfigError(f"trading.{name}: {limited:g} is looser than caps.toml allows, {caps.limit_of(name):g}")
    return params
