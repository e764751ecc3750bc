"""The API people already speak, over the same search as everything else. The extra `server` installs what it needs."""

__all__: list[str] = []
