"""What every setting does, in one sentence, and what a higher or lower value leads to."""

from collections.abc import Mapping

from bot.i18n import mark

MEANINGS: Mapping[str, str] = {
    "scanner.feed": mark(
        "Whose bars are screened: Polygon sees every trade and costs money, KIS is real-time and free and sees about half."
    ),
    "scanner.aggregates": mark(
        "Which of Polygon's bars are asked for. Seconds are added up to the same minute bars, which come some three "
        "seconds later; they are for when its minutes fail. Takes effect when the collector starts again."
    ),
    "scanner.kis_volume_pct": mark(
        "With KIS's data the smallest volume is taken times this, because KIS counts only a part of the trades."
    ),
    "scanner.min_price": mark("Stocks cheaper than this are not found. Higher: fewer penny stocks."),
    "scanner.min_market_cap": mark("Companies smaller than this are not found. Higher: fewer but steadier stocks."),
    "scanner.min_volume": mark(
        "A one-minute bar with fewer shares does not count. Higher: only stocks that are easy to sell again."
    ),
    "scanner.price_change_pct": mark("A stock must have risen this much to be found. Higher: fewer, stronger moves."),
    "scanner.volume_spike_pct": mark(
        "How far the volume must exceed its recent average; 200 is three times. Higher: fewer finds."
    ),
    "scanner.timeframe": mark("The rise is measured over this time. Longer: slower moves are found too."),
    "scanner.volume_timeframe": mark("The bar whose volume is compared. Only one-minute bars are there."),
    "scanner.volume_lookback": mark(
        "The average volume is taken over this many minutes before. Longer: calmer, later after the first bar."
    ),
    "scanner.max_reference_age_min": mark(
        "After a trading halt an old price is no base for a rise. Higher or 0: such jumps count too."
    ),
    "scanner.unknown_market_cap": mark(
        "What happens to stocks whose size nobody knows. Letting them through finds riskier ones too."
    ),
    "scanner.security_types": mark("Only these kinds are found; with none ticked, all of them."),
    "scanner.record_days": mark(
        "Received bars and decisions are kept for this many days, so that a day can be replayed (about 60 MB a day). "
        "0: nothing is recorded. Takes effect the next day."
    ),
    "scanner.discovery_cooldown_min": mark(
        "The same stock is not announced again for this long. Lower: more messages."
    ),
    "trading.venue": mark("The account that orders go to."),
    "trading.mode": mark("Whether a signal buys by itself, asks first, or only tells."),
    "trading.total_buy_amount": mark(
        "This much is spent on one stock, over all tranches. Higher: every loss is larger too."
    ),
    "trading.split_count": mark(
        "A purchase is divided into this many parts. More: a smoother average price, but slower."
    ),
    "trading.split_interval_sec": mark("The time between two tranches. Longer: the purchase spreads out more."),
    "trading.max_positions": mark(
        "No new stock is bought while this many are held. Higher: more money is at risk at once."
    ),
    "trading.take_profit_pct": mark(
        "From this gain on the trend is checked, and a broken one sells. Higher: waits for more."
    ),
    "trading.stop_loss_pct": mark(
        "At this loss everything is sold at once. Further from 0: larger losses, fewer early exits."
    ),
    "trading.daily_buy_limit": mark("No more than this is bought in one day. Higher: more money can be at risk."),
    "trading.daily_loss_limit": mark(
        "At this realised loss buying ends for the day. Higher or 0: losses can grow larger."
    ),
    "trading.max_order_amount": mark("No single order may be larger. Lower: large tranches are cut."),
    "trading.max_orders_per_min": mark("A brake against runaway orders, per minute."),
    "trading.max_orders_per_day": mark(
        "A brake against runaway orders, per day. When it is reached, nothing is bought any more."
    ),
    "trading.price_collar_pct": mark(
        "A buy never costs more than this over the reference price. Higher: more fills, at worse prices."
    ),
    "trading.entry_slippage_pct": mark("How far over the ask the limit goes. Higher: fills sooner, a little dearer."),
    "trading.max_divergence_pct": mark("Where the feed and the broker's price differ by more, nothing is bought."),
    "trading.max_stops_per_day": mark(
        "After this many stops buying ends for the day. Higher or 0: it goes on longer on a bad day."
    ),
    "trading.unfilled_cancel_sec": mark("A buy that is not filled after this is cancelled."),
    "trading.approval_ttl_sec": mark("A proposal waits this long for your tap and then expires."),
    "trading.approval_drift_pct": mark(
        "When the price has moved more than this since the proposal, you are asked again."
    ),
    "trading.asleep_hours": mark(
        "In approve mode, what happens to proposals in these hours is decided by “Proposals while asleep”."
    ),
    "trading.asleep_policy": mark(
        "Ask: as by day. Don't buy: it is dropped. Buy less: a part is bought by itself. Auto: the whole amount is."
    ),
    "trading.asleep_size_pct": mark("With “buy less by itself”, this share of the usual budget is bought."),
    "trading.stop_cooldown_min": mark("A stock that was stopped out is not bought again for this long."),
    "trading.trend_timeout_sec": mark(
        "At the target the trend is asked for; with no answer in this time everything is sold."
    ),
    "trading.max_data_age_sec": mark("Nothing is bought on data older than this."),
    "trading.commission_pct": mark("The broker's fee one way, for the sums; it changes no real fee."),
    "trading.paper_cash": mark("The money that the paper account starts with."),
    "trading.paper_krw_per_usd": mark("The exchange rate of the paper account."),
    "analyzer.timeframe": mark("The bar that the trend is judged on. Only one-minute bars are there."),
    "analyzer.ema_fast": mark("The fast average of the trend. Smaller: reacts sooner and errs more often."),
    "analyzer.ema_slow": mark("The slow average of the trend. Larger: only longer trends count."),
    "analyzer.rsi_period": mark("RSI looks back this many bars. Smaller: more nervous."),
    "analyzer.rsi_overbought": mark("From here on RSI counts as overheated; falling from it is a reason to sell."),
    "analyzer.rsi_oversold": mark("RSI under this is oversold; rising out of it is a reason to buy."),
    "analyzer.macd_fast": mark("MACD's fast average. Smaller: reacts sooner."),
    "analyzer.macd_slow": mark("MACD's slow average. Larger: calmer."),
    "analyzer.macd_signal": mark("The average that MACD must cross. Larger: crosses later."),
    "analyzer.bollinger_period": mark("The bands look back this many bars."),
    "analyzer.bollinger_deviations": mark("How wide the bands are. Wider: breakouts are rarer."),
    "analyzer.volume_lookback": mark("Relative volume compares with the average of this many bars."),
    "analyzer.breakout_relative_volume": mark(
        "A breakout counts only on this many times the usual volume. Higher: fewer buys."
    ),
    "analyzer.surge_relative_volume": mark(
        "This many times the usual volume counts as a surge, a reason to buy. Higher: fewer buys."
    ),
    "analyzer.signal_window_bars": mark("A crossing counts for this many bars. More: later signals are accepted too."),
    "analyzer.min_signals_for_buy": mark("This many reasons must be met besides the uptrend. More: fewer, surer buys."),
    "analyzer.min_signals_for_sell": mark("This many reasons must be met to sell on a signal. More: sells later."),
    "analyzer.signal_valid_sec": mark("Nothing is bought on a signal older than this."),
    "schedule.start_time": mark("From this time on the market is watched."),
    "schedule.active_trading_after": mark("Buying begins then. Earlier: the wild first minutes are traded too."),
    "schedule.market_close": mark("For information; the exchange's calendar decides about the close."),
    "schedule.timezone": mark("The clock of these times."),
    "schedule.rest_when_closed": mark(
        "Finding and trends rest from the morning report to the start; stops are guarded all the same."
    ),
    "notification.telegram_enabled": mark("Off: no notices at all in the chat. Commands go on working."),
    "notification.report_time": mark("The daily report comes at this time."),
    "notification.alert_on_buy": mark("Whether purchases are told."),
    "notification.alert_on_sell": mark("Whether sales are told. Stops are always told."),
    "notification.alert_on_discovery": mark("Whether finds are told."),
    "notification.alert_on_error": mark("Whether trouble is told. Safety alarms always are."),
    "notification.language": mark("The language of people who have not chosen one with /lang."),
    "tax.cost_method": mark("How the cost of sold shares is counted in the estimate of /tax."),
    "tax.settlement_days": mark("US trading days from a fill to its settlement, whose exchange rate counts for /tax."),
    "tax.basic_deduction": mark("This much of a year's gain is free of tax in the estimate of /tax."),
    "tax.rate_pct": mark("The rate of the estimate of /tax, local income tax included."),
    "monitoring.metrics_port": mark(
        "Prometheus reads figures of every process at this port of this machine (127.0.0.1 only). 0: off. "
        "Takes effect when the bot starts again."
    ),
}
