"""What can go wrong with the registry. Belongs here: exceptions only."""


class RegistryError(RuntimeError):
    """The registry cannot do what was asked; the message says why and what to do next."""


class PromotionRefused(RegistryError):
    """A version was not promoted, because its gates did not pass or its evidence is missing."""
