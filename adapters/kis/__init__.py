"""KIS (한국투자증권) Open API as `ports.broker.Broker`, on python-kis behind one gateway (facts: kis.md)."""
