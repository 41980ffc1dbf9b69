"""Import this before the package, and the shapes and types in its signatures are checked at every call.

A whole number passes for a float, as it does in Python.
"""

import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
jaxtyping.install_import_hook("acculturate", "array_checks.checked")
