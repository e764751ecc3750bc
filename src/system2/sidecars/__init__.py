"""Side models at the ends of steps: what they say is shown or holds back, and never thought with."""

__all__: list[str] = []
