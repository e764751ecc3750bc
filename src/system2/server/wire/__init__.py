"""Pure: JSON to what a request wants, events to the JSON of either API. No I/O."""

__all__: list[str] = []
