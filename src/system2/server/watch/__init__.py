"""Watchers of events: metrics, spans, logs. None of them sees a thought or a key."""

__all__: list[str] = []
