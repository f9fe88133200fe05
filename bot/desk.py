"""The bot's state while it runs: settings in force, languages, memory of bars, the board, pending confirmations."""

import asyncio
import datetime as dt
import logging
from collections.abc import Sequence

import msgspec

from bot.alerts import KEPT, Alerts, Level, Topic, decode, encode
from bot.bars import BarMemory
from bot.board import Board
from bot.challenges import Challenges
from bot.deps import BotDeps
from bot.foregone import Ledger
from bot.i18n import Language, Translator, language, translators
from bot.liquidation import Liquidations
from bot.messenger import Messenger, Sent
from bot.mutes import MuteList
from bot.nonces import Nonces
from bot.outbox import Outbox
from bot.pinned import Pinned
from bot.questions import Questions
from bot.research import Research
from bot.secondfactor import SecondFactor
from bot.settings import value_of, with_overrides
from bot.spec import CommandSpec
from bot.tickers import Tickers
from bot.watchlist import WatchList
from core.model.messages import Channel, SettingsChanged, Value, message_id
from core.model.params import Params
from core.model.safety import tightened
from ports.bus import BusUnavailable
from ports.store import OutMessage, Override, StoreUnavailable

log = logging.getLogger(__name__)
DEFAULT_ALERTS = Alerts()


class Desk:
    """Shared by handlers, jobs and the consumer; all of them run in one event loop."""

    def __init__(self, deps: BotDeps, messenger: Messenger, specs: Sequence[CommandSpec]) -> None:
        self.deps = deps
        self.messenger = messenger
        self.specs = specs
        self.bars = BarMemory()
        self.nonces = Nonces()
        self.challenges = Challenges()
        self.second = SecondFactor(deps.secret, deps.chat, deps.clock)
        self.overrides: dict[str, Value] = {}
        self.loaded = False
        self.conflict_at: dt.datetime | None = None
        self._changing = asyncio.Lock()
        self._params = deps.params
        self._translators = translators()
        self._languages: dict[int, Language] = {}
        self._alerts: dict[int, Alerts] = {}
        self.outbox = Outbox(deps, messenger, self.speak, self.alerts, root=self._root)
        self.ledger = Ledger(deps)
        self.mutes = MuteList(deps)
        self.board = Board(
            deps,
            messenger,
            self.bars,
            self.speak,
            lambda: self._params,
            alerts=self.alerts,
            outbox=self.outbox,
            mutes=self.mutes,
            ended=self.ledger.note,
        )
        self.questions = Questions(deps, messenger, self.speak)
        self.liquidations = Liquidations(deps, messenger, self.speak)
        self.pinned = Pinned(deps, messenger, self.speak)
        self.tickers = Tickers(deps.records, deps.clock)
        self.watched = WatchList(deps)
        self.research = Research(self)

    @property
    def params(self) -> Params:
        """config.yaml with the changes made in chat."""
        return self._params

    def specs_of(self, user_id: int) -> Sequence[CommandSpec]:
        """The commands that a person may use."""
        return self.specs if user_id in self.deps.owners else [spec for spec in self.specs if not spec.changes]

    def speak(self, user_id: int) -> Translator:
        """The translator of a person's language."""
        chosen = self._languages.get(user_id) or language(self._params.notification.language) or "ko"
        return self._translators[chosen]

    def translator(self, chosen: Language) -> Translator:
        return self._translators[chosen]

    def alerts(self, user_id: int) -> Alerts:
        """What a person wants to hear, and how loud."""
        return self._alerts.get(user_id, DEFAULT_ALERTS)

    def wanted(self, message: OutMessage) -> list[OutMessage]:
        """The message as the person wants it, or nothing where the topic is off."""
        alerts, topic = self.alerts(message.chat_id), Topic(message.topic)
        if alerts.level(topic) is Level.OFF:
            return []
        muffled = alerts.muffled(topic, self.deps.clock.now())
        return [msgspec.structs.replace(message, quiet=message.quiet or muffled)]

    async def _root(self, plan_id: str, chat_id: int) -> Sent | None:
        return await self.board.message_of(plan_id, chat_id)

    async def load(self) -> bool:
        """Read overrides and languages; False while the database is away, which stops nothing else."""
        try:
            overrides = await self.deps.chat.overrides()
            await self.mutes.load()
            for person in self.deps.owners | self.deps.viewers:
                chosen = language(await self.deps.chat.preference(person, "language"))
                if chosen:
                    self._languages[person] = chosen
                self._alerts[person] = decode(await self.deps.chat.preference(person, KEPT))
        except StoreUnavailable as trouble:
            log.warning("the database is away, using config.yaml as it is: %s", trouble)
            return False
        self._adopt(overrides)
        self.loaded = True
        return True

    def _adopt(self, overrides: dict[str, Value]) -> None:
        try:
            params = with_overrides(self.deps.params, overrides)
        except (msgspec.ValidationError, ValueError) as trouble:
            log.error("overrides kept in the database do not fit and are left out: %s", trouble)
            return
        # the services obey the caps whatever an older override says, so that is what is shown
        self._params = msgspec.structs.replace(params, trading=tightened(params.trading, self.deps.caps))
        self.overrides = overrides

    async def set_language(self, user_id: int, chosen: Language) -> None:
        self._languages[user_id] = chosen
        await self.deps.chat.set_preference(user_id, "language", chosen)

    async def set_alerts(self, user_id: int, alerts: Alerts) -> None:
        """In force at once, and kept; raises StoreUnavailable."""
        await self.deps.chat.set_preference(user_id, KEPT, encode(alerts))
        self._alerts[user_id] = alerts

    async def change(self, override: Override) -> bool:
        """Keep a changed setting and tell the services; False where the value in force is not `override.old` any more.

        Raises StoreUnavailable or BusUnavailable with nothing changed.
        """
        async with self._changing:
            if not self.loaded and not await self.load():
                # the message to the services is complete: it may not forget what the database keeps
                raise StoreUnavailable("the changes made earlier can't be read")
            if value_of(self._params, override.key) != override.old:
                return False
            await self._change(override)
            return True

    async def _change(self, override: Override) -> None:
        overrides: dict[str, Value] = {**self.overrides, override.key: override.new}
        complete = {key: value for key, value in overrides.items() if value is not None}
        with_overrides(self.deps.params, overrides)
        message = SettingsChanged(
            id=message_id("settings", override.at, override.key, override.new), overrides=complete, at=override.at
        )
        before = self.overrides.get(override.key)
        await self.deps.chat.put_override(override)
        try:
            await self.deps.bus.publish(Channel.CONTROL, message)
        except BusUnavailable:
            await self.deps.chat.put_override(msgspec.structs.replace(override, old=override.new, new=before))
            raise
        self._adopt(overrides)
