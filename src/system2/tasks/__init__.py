"""Problem families. TASKS lists them by name; each knows its own gold answer, nothing above does."""

from system2.tasks.addition import addition
from system2.tasks.bases import bases
from system2.tasks.chain import chain
from system2.tasks.compare import compare
from system2.tasks.countdown import countdown, game24
from system2.tasks.division import division
from system2.tasks.grid import grid
from system2.tasks.knights import knights
from system2.tasks.letters import letters
from system2.tasks.linear import linear
from system2.tasks.multiplication import multiplication
from system2.tasks.sequences import sequences
from system2.tasks.sorting import sorting
from system2.tasks.subtraction import subtraction
from system2.tasks.task import Task

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        addition,
        subtraction,
        multiplication,
        division,
        compare,
        chain,
        linear,
        letters,
        countdown,
        game24,
        bases,
        sorting,
        sequences,
        knights,
        grid,
    )
}

__all__ = ["TASKS", "Task"]
