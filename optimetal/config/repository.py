"""The authors' repository, from which result files and lists of identifiers are downloaded."""

from typing import Final

URL: Final = "https://raw.githubusercontent.com/MaxGrossmann/optimetal"
"""Files are at <url>/<commit>/research/..."""

COMMIT: Final = "fe1b44a72ef7c4d9ea6b684f46202e160737dd1b"
"""The commit whose files are known."""
