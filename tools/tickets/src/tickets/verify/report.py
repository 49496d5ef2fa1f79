"""What a check found, and how it is told."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

INVARIANTS: Final = ("I1", "I2", "I3", "I4", "I5", "I6")
EXAMPLES: Final = 10


@dataclass(slots=True)
class Outcome:
    """One invariant: what was looked at, what is wrong (how often, and some of it), what else is worth knowing."""

    invariant: str
    title: str
    looked_at: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    examples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def found(self, what: str, count: int = 1) -> None:
        """Something is wrong, here for `count` things."""
        self.wrong += count
        if len(self.examples) < EXAMPLES:
            self.examples.append(what)

    def __str__(self) -> str:
        looked_at = ", ".join(f"{count:,} {what}" for what, count in self.looked_at.items()) or "nothing"
        verdict = "ok" if not self.wrong else f"WRONG ({self.wrong:,})"
        lines = [f"{self.invariant} {verdict}: {self.title}; {looked_at}; {self.seconds:.1f} s"]
        lines += [f"   wrong: {example}" for example in self.examples]
        lines += [f"   note: {note}" for note in self.notes]
        return "\n".join(lines)
