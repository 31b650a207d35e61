"""What can go wrong with the registry.

Belongs here: exceptions only. Does not belong here: what raises them.
"""


class RegistryError(RuntimeError):
    """The registry cannot do what was asked; the message says why and what to do next."""


class RegistryUnreachable(RegistryError):
    """The registry did not answer; nothing was moved, and what was asked for can be asked for again."""


class NotTrained(RegistryError):
    """There is no model as of the day that was asked for."""


class NotEvaluated(RegistryError):
    """A version was to be promoted before its gates were judged."""


class PromotionRefused(RegistryError):
    """A version was not promoted, because its gates did not pass or its evidence is missing."""


class PromotionHeld(PromotionRefused):
    """A version was not promoted: somebody, or a verdict, went back, and no person has lifted that hold."""


class RollbackRefused(RegistryError):
    """A version was not rolled back to: it never was champion, or its service does not start any more."""
