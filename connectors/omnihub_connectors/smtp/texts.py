"""Templates: one id, one text each; subject, plain text and, if there is a file for it, HTML.

`order_confirmed.txt` begins with `Subject: ...` and an empty line; `order_confirmed.html` is
optional; `order_confirmed.de.txt` is taken for buyers whose locale is German.

Guarantees: a placeholder nobody fills in is an error before anything is sent; values are escaped in
HTML; a line whose placeholders are all empty is left out (no "Hello ," and no "Tracking: ").
Does not: compute; amounts come as text.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from omnihub.connect.errors import Refused
from omnihub.model.errors import ConfigurationError

PACKAGE = "omnihub_connectors.smtp"
_SUBJECT = "Subject: "
_ID = re.compile(r"[a-z][a-z0-9_]*")
_LOCALE = re.compile(r"([a-zA-Z]{2,3})([-_][a-zA-Z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Text:
    """What a buyer reads."""

    subject: str
    plain: str
    html: str | None


class Templates:
    """All templates, in memory, by file name."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)

    @classmethod
    def load(cls, folder: Path | None) -> "Templates":
        """Read the built-in templates, and `folder` over them.

        Raises:
            ConfigurationError: a file that is no template.
        """
        shipped = resources.files(PACKAGE) / "templates"
        files = {each.name: each.read_text("utf-8") for each in shipped.iterdir()}
        if folder is not None:
            if not folder.is_dir():
                raise ConfigurationError(f"templates is '{folder}': no such folder. Create it.")
            for path in sorted(folder.glob("*.*")):
                files[path.name] = path.read_text("utf-8")
        for name, text in files.items():
            _check(name, text)
        return cls(files)

    @property
    def ids(self) -> list[str]:
        """The templates there are."""
        return sorted({name.partition(".")[0] for name in self._files if name.endswith(".txt")})

    def fill(self, template: str, locale: str | None, values: Mapping[str, str]) -> Text:
        """Return the text of a template for a buyer.

        Raises:
            Refused: there is no such template, or it asks for a value nobody gave.
        """
        plain = self._find(template, locale, "txt")
        if plain is None:
            raise Refused(
                f"there is no template '{template[:40]}' (known: {', '.join(self.ids)})",
                cure="add TEMPLATE.txt to the folder `templates`, restart, then retry",
            )
        markup = self._find(template, locale, "html")
        escaped = {
            name: html.escape(value).replace("\n", "<br>\n") for name, value in values.items()
        }
        try:
            head, _, body = _filled(plain, values).partition("\n")
            marked_up = _filled(markup, escaped) if markup else None
        except KeyError as error:
            raise Refused(
                f"template '{template}' asks for ${error.args[0]}, which this message lacks",
                cure="correct the template, restart, then retry",
            ) from None
        return Text(head.removeprefix(_SUBJECT), body.lstrip("\n"), marked_up)

    def _find(self, template: str, locale: str | None, suffix: str) -> str | None:
        if not _ID.fullmatch(template):
            return None
        names = [f"{template}.{suffix}"]
        if locale and (match := _LOCALE.fullmatch(locale)):
            names[:0] = [f"{template}.{locale}.{suffix}", f"{template}.{match[1]}.{suffix}"]
        return next((self._files[name] for name in names if name in self._files), None)


def _filled(text: str, values: Mapping[str, str]) -> str:
    lines = []
    for line in text.splitlines():
        template = Template(line)
        asked = [values[name] for name in template.get_identifiers()]
        if any(asked) or not asked:
            lines.append(template.substitute(values))
    return "\n".join(lines) + "\n"


def _check(name: str, text: str) -> None:
    if name.endswith(".txt") and not text.startswith(_SUBJECT):
        raise ConfigurationError(
            f"template {name} does not begin with 'Subject: ': the first line is the subject. "
            "Add it."
        )
    for number, line in enumerate(text.splitlines(), 1):
        if not Template(line).is_valid():
            raise ConfigurationError(
                f"template {name}, line {number}: a $ that begins no placeholder. Write $$."
            )
