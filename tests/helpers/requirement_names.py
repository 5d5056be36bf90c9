"""The package names in a list of requirements."""

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def by_name(texts: list[str]) -> dict[str, Requirement]:
    requirements = [Requirement(text) for text in texts]
    return {canonicalize_name(requirement.name): requirement for requirement in requirements}
