"""A mail server for the tests: aiosmtpd, which shares no code with us, and Python's own parser of mails.

usage: mail_server.py starttls|tls|plain CERTIFICATE KEY USER PASSWORD FOLDER

Serves on a free port of 127.0.0.1, which it writes to FOLDER/port. Of each mail it takes it writes what it sees to
FOLDER/mail-N: the envelope, the headers as they are decoded, and the text of each part.
"""

import asyncio
import os
import ssl
import sys
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

mode, certificate, key, user, password, folder = sys.argv[1:7]
taken = 0


def write(name, text):
    """Written at once, so that who waits for the file finds all of it."""
    with open(os.path.join(folder, name + ".part"), "w", encoding="utf-8", newline="") as file:
        file.write(text)
    os.rename(os.path.join(folder, name + ".part"), os.path.join(folder, name))


class Handler:
    async def handle_DATA(self, server, session, envelope):
        global taken
        mail = message_from_bytes(envelope.original_content, policy=policy.default)
        lines = [
            f"from: {envelope.mail_from}",
            f"to: {','.join(envelope.rcpt_tos)}",
            f"tls: {session.ssl is not None or mode == 'tls'}",
            f"authenticated: {session.authenticated}",
            f"defects: {len(mail.defects) + sum(len(part.defects) for part in mail.walk())}",
            f"longest line: {max(map(len, envelope.original_content.split(bytes([13, 10]))))}",
        ]
        lines += [f"header {name}: {value}" for name, value in mail.items()]
        for part in mail.iter_parts():
            lines += [f"part {part.get_content_type()}", part.get_content(), "end of part"]
        taken += 1
        write(f"mail-{taken}", "\n".join(lines))
        return "250 2.0.0 taken"


def authenticate(server, session, envelope, mechanism, data):
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (user.encode(), password.encode())
    # One that it does not call handled is answered by aiosmtpd itself.
    return AuthResult(success=known, handled=known)


async def main():
    context = None
    if mode != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)

    def protocol():
        return SMTP(
            Handler(), hostname="mail.example", authenticator=authenticate, auth_required=user != "",
            auth_require_tls=mode == "starttls", tls_context=context if mode == "starttls" else None,
            require_starttls=mode == "starttls", enable_SMTPUTF8=False)

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    write("port", str(server.sockets[0].getsockname()[1]))
    await server.serve_forever()


asyncio.run(main())
