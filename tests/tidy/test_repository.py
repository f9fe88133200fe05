"""The repository's own rules (design: style.md)."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from cli.docs import generated
from config.params import settings
from core.model.params import Params

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = (
    "core",
    "ports",
    "adapters",
    "config",
    "charts",
    "services",
    "bot",
    "backtest",
    "cli",
    "sandbox",
    "simulation",
    "benchmarks",
)
MODULES = sorted(p for folder in PRODUCT for p in (ROOT / folder).rglob("*.py"))
NAMES = [str(p.relative_to(ROOT)) for p in MODULES]
# the keys of the user's own config.yaml (design: user-plan.md)
USERS_KEYS = {
    "scanner": "min_price min_market_cap min_volume price_change_pct volume_spike_pct timeframe volume_timeframe",
    "trading": "total_buy_amount split_count split_interval_sec max_positions take_profit_pct stop_loss_pct",
    "analyzer": "ema_fast ema_slow rsi_period rsi_overbought rsi_oversold macd_fast macd_slow macd_signal "
    "min_signals_for_sell",
    "schedule": "start_time active_trading_after market_close timezone",
    "notification": "telegram_enabled report_time alert_on_buy alert_on_sell alert_on_discovery alert_on_error",
}
# what only tests and the sandbox set; a person never puts these into .env
INTERNAL = {"SEOHAK_ENV_FILE"}


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def calls(tree: ast.AST) -> list[str]:
    """Dotted names of everything that is called."""
    return [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_says_what_lives_there_and_stays_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name == "__init__.py" and not text.strip():
        pytest.skip("an empty package")
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    first = text.split("\n", 1)[1] if text.startswith("#!") else text
    assert first.startswith(('"""', 'r"""')), "the docstring is not the first line"
    assert text.count("\n") <= 500, "too long"


@pytest.mark.parametrize("path", sorted(generated()), ids=lambda path: path.name)
def test_what_is_drawn_from_the_code_is_current(path: Path) -> None:
    assert path.read_text("utf-8") == generated()[path], "run ./seohak docs"


def test_nothing_in_the_core_reads_a_clock() -> None:
    clocks = re.compile(r"(^|\.)(now|today|utcnow|time_ns|monotonic|perf_counter|sleep)$|^time\.time$")
    found = [
        (str(path.relative_to(ROOT)), call)
        for path in MODULES
        if path.is_relative_to(ROOT / "core")
        for call in calls(ast.parse(path.read_text(encoding="utf-8")))
        if clocks.search(call)
    ]
    assert not found


def test_only_the_terminal_programs_print() -> None:
    found = [
        name
        for path, name in zip(MODULES, NAMES, strict=True)
        if not name.startswith(("cli/", "sandbox/"))
        and "print" in calls(ast.parse(path.read_text(encoding="utf-8")))
        and name != "services/runtime.py"
    ]
    assert not found, "services/runtime.py tells one line to the person at the terminal; nobody else prints"


def test_no_work_is_left_as_a_marker() -> None:
    marker = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = [name for path, name in zip(MODULES, NAMES, strict=True) if marker.search(path.read_text(encoding="utf-8"))]
    assert not found


def test_config_yaml_has_every_key_with_its_default() -> None:
    document = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    written = {f"{section}.{key}": value for section, keys in document.items() for key, value in keys.items()}
    defaults = {key: list(s.default) if isinstance(s.default, tuple) else s.default for key, s in settings().items()}
    assert written == defaults


def test_config_yaml_has_every_key_of_the_users_plan() -> None:
    known = set(settings())
    wanted = {f"{section}.{key}" for section, keys in USERS_KEYS.items() for key in keys.split()}
    assert wanted <= known
    # the tax estimate is ours: the plan has no section for it
    assert set(USERS_KEYS) | {"tax", "monitoring"} == set(Params.__struct_fields__)


def environment_names() -> set[str]:
    """Names that config/environment.py reads, prefixes filled in."""
    tree = ast.parse((ROOT / "config" / "environment.py").read_text(encoding="utf-8"))
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    plain = {w for w in words if re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", w)}
    virtual = {f"KIS_{kind}{name}" for kind in ("", "VIRTUAL_") for name in ("ACCOUNT", "APPKEY", "APPSECRET")}
    return (plain | virtual) - INTERNAL


ENV_EXAMPLE = set(
    re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
)


def test_env_example_names_every_secret() -> None:
    secrets = {n for n in environment_names() if n.endswith(("KEY", "SECRET", "ACCOUNT", "TOKEN", "IDS", "HTS_ID"))}
    assert secrets - {"MASSIVE_API_KEY"} <= ENV_EXAMPLE, "MASSIVE_API_KEY is the vendor's second name for the same key"


def test_env_example_names_every_variable() -> None:
    assert not environment_names() - ENV_EXAMPLE


def test_env_example_holds_no_secret() -> None:
    filled = re.findall(r"^([A-Z][A-Z0-9_]+)=(\S+)", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
    assert not filled


def test_no_tracked_file_names_a_package_registry() -> None:
    """Where packages come from is the installer's business; a mirror's address must not be baked in."""
    host = re.compile(
        rb"https?://[^\s\"']*(pypi|pythonhosted|devpi|nexus|artifactory|/simple/?)[^\s\"']*", re.IGNORECASE
    )
    found = [str(p.relative_to(ROOT)) for p in tracked() if host.search(p.read_bytes())]
    assert not found


PICTURES = ROOT / "docs" / "images"
SHOWN = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)|<img[^>]*\ssrc=\"([^\"]+)\"")


def pictures_shown() -> set[Path]:
    """Every local picture that README, docs and other pages show."""
    pages = [path for path in tracked() if path.suffix == ".md"]
    found = [(page, one or two) for page in pages for one, two in SHOWN.findall(page.read_text(encoding="utf-8"))]
    return {(page.parent / link).resolve() for page, link in found if "://" not in link}


def pictures_taken() -> set[str]:
    """The names that tests/system/take_pictures.py writes."""
    values: dict[str, object] = {}
    tree = ast.parse((ROOT / "tests" / "system" / "take_pictures.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"LANGUAGES", "DESKTOP", "PHONE"}:
            values[ast.unparse(node.targets[0])] = ast.literal_eval(node.value)
    return {
        f"{what}-{language}.png" for language in values["LANGUAGES"] for what in values["DESKTOP"] + values["PHONE"]
    }


def test_every_picture_is_shown_and_every_shown_picture_is_there() -> None:
    kept = {path.resolve() for path in PICTURES.iterdir()}
    assert pictures_shown() == kept
    assert {path.name for path in kept} == pictures_taken(), "PYTHONPATH=. python tests/system/take_pictures.py"
    assert not [path.name for path in kept if path.stat().st_size >= 400_000]


def test_no_env_file_or_state_is_tracked() -> None:
    names = {str(p.relative_to(ROOT)) for p in tracked()}
    assert ".env" not in names
    assert not [n for n in names if n.startswith("state/") or n.endswith((".db", ".sock", ".pyc"))]


def test_the_migrations_folder_does_not_shadow_its_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def catalogue(language: str) -> dict[str, object]:
    from babel.messages.pofile import read_po

    path = ROOT / "locales" / language / "LC_MESSAGES" / "seohak.po"
    if not path.exists():
        pytest.skip("no locales yet")
    with path.open("rb") as file:
        return {m.id: m for m in read_po(file, locale=language) if m.id}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_text_is_translated(language: str) -> None:
    missing = [
        m.id
        for m in catalogue(language).values()
        if not m.string or (isinstance(m.string, tuple) and not all(m.string))
    ]
    assert not missing
    assert not [m.id for m in catalogue(language).values() if m.fuzzy]


def test_both_languages_have_the_same_texts_and_placeholders() -> None:
    korean, english = catalogue("ko"), catalogue("en")
    assert korean.keys() == english.keys()
    field = re.compile(r"\{(\w+)")

    def fields(message: object) -> set[str]:
        text = message.string if isinstance(message.string, str) else " ".join(message.string)
        return set(field.findall(text))

    assert not [key for key in korean if fields(korean[key]) != fields(english[key])]


def test_test_files_have_names_of_their_own() -> None:
    """Test folders are no packages, so two files of one name would be the same module to pytest."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py")
    assert not [name for name, count in names.items() if count > 1]
