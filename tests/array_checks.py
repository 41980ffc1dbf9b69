"""The type checker that jaxtyping applies to the package while it is tested; a whole number is a float too."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
