"""A mail as it travels: headers, plain text, and HTML beside it."""

from __future__ import annotations

from email import policy
from email.headerregistry import Address
from email.message import EmailMessage

from flask_babel import gettext

from app import mail
from app.blueprints.mailer.services.sending import Outgoing

# Not every server takes eight bits.
POLICY = policy.SMTP.clone(cte_type="7bit")
HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"),
    *("Content-Type", "Content-Transfer-Encoding", "Content-Language"),
}


def composed(outgoing: Outgoing, author: Address) -> bytes:
    """The message. The same mail is the same message, however often it is tried.

    Raises ``ValueError`` when its text is gone.
    """
    if outgoing.texts is None:
        raise ValueError(gettext("its text was encrypted under another SECRET_KEY"))
    body, html = outgoing.texts
    message = EmailMessage(policy=POLICY)
    message["From"] = author
    message["To"] = Address(addr_spec=mail.address_on_the_wire(outgoing.to))
    # Not every version of the library looks into what it decodes: an encoded word may hold a line end.
    message["Subject"] = outgoing.subject.replace("=?", "= ?")
    message["Date"] = outgoing.written_at
    message["Message-ID"] = message_id(outgoing.message_key, author)
    # RFC 3834: no machine is to answer it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    if html:
        message.add_alternative(html, subtype="html")
    if outgoing.language:
        message["Content-Language"] = outgoing.language
    return _checked(message.as_bytes())


def message_id(key: str, author: Address) -> str:
    """A mail's Message-ID, by which the servers' logs name it."""
    return f"<{key}@{author.domain}>"


def _checked(data: bytes) -> bytes:
    """The message, if its head says what it was given and no more: whatever got in, it does not get out."""
    head = data.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in b" \t"]
    if len(set(names)) < len(names) or not HEADERS.issuperset(names) or b"\n" in head.replace(b"\r\n", b""):
        raise ValueError(gettext("a value would become a header of its own"))
    return data
