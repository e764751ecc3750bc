"""What the embedded model's refusal says to whoever chats with it, in their language. Pure."""

from __future__ import annotations

ENGLISH = (
    "This is outside what this small model was trained for. It can add, subtract, multiply and divide whole "
    "numbers, work out sums with brackets, compare decimals, solve linear equations, count letters, play "
    "Countdown and 24, convert bases, sort numbers, continue sequences, tell knights from knaves and solve "
    "one-row grid puzzles. For anything else choose a bigger model."
)
CHINESE = (
    "这个问题超出了这个小模型的训练范围。它会整数的加减乘除、带括号的算式、比较小数、解一元一次方程、数字母、"
    "Countdown 和 24 点、进制转换、排序、数列续写、骑士与无赖，以及单行的网格谜题。其他问题请换用更大的模型。"
)


def declined(language: str) -> str:
    """The refusal in this language (a tag, as zh-CN), in English where there is none."""
    return CHINESE if language.lower().split("-")[0] == "zh" else ENGLISH
