"""A real IMAP server on loopback (Dovecot) with one empty mailbox."""

from __future__ import annotations

import grp
import imaplib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PASSWORD = 'a "secret" @ \\ word'
ZOES = "geheimes Paßwort, 5 €"
CONFIG = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_location = maildir:{folder}/mail
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid={mail} gid={mail_group} home={folder}/mail
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
"""


class Missing(Exception):
    """There is no Dovecot on this machine; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Server:
    port: int
    url: str

    def session(self) -> imaplib.IMAP4:
        """A mail program that has opened the mailbox."""
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=10)
        session.login("elm", PASSWORD)
        session.select("INBOX")
        return session

    def empty(self) -> None:
        """Take away what is in the mailbox."""
        session = self.session()
        for number in session.search(None, "ALL")[1][0].split():
            session.store(number.decode(), "+FLAGS", r"(\Deleted)")
        session.expunge()
        session.logout()

    def put(self, content: bytes, flags: str = "") -> None:
        """Let a mail arrive."""
        session = self.session()
        session.append("INBOX", flags, "", content)
        session.logout()

    def flags(self) -> list[str]:
        """The flags of each mail, oldest first; that it is recent is left out."""
        session = self.session()
        _, found = session.fetch("1:*", "(FLAGS)")
        session.logout()
        names = [imaplib.ParseFlags(line) for line in found if isinstance(line, bytes)]
        return [" ".join(sorted(name.decode() for name in one if name != rb"\Recent")) for one in names]


@contextmanager
def running() -> Iterator[Server]:
    """Yield a server that listens. Raises Missing."""
    program = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Missing("the tests of the mailbox need Dovecot (Debian: apt-get install dovecot-imapd)")
    with tempfile.TemporaryDirectory(prefix="imap") as name, socket.create_server(("127.0.0.1", 0)) as found:
        folder, port = Path(name), found.getsockname()[1]
        _write(folder, port)
        found.close()
        server = subprocess.Popen([program, "-F", "-c", folder / "dovecot.conf"], stderr=subprocess.PIPE)
        try:
            _wait(server, port, folder)
            user_info = "elm:a%20%22secret%22%20%40%20%5C%20word"
            yield Server(port, f"imap://{user_info}@127.0.0.1:{port}/INBOX")
        finally:
            server.terminate()
            server.communicate()


def _write(folder: Path, port: int) -> None:
    """Its configuration. Started by root, Dovecot runs as its package's users; else as whoever starts it."""
    is_root = os.geteuid() == 0
    me = pwd.getpwuid(os.geteuid()).pw_name
    mail = pwd.getpwnam("nobody") if is_root else pwd.getpwuid(os.geteuid())
    folder.chmod(0o755)
    (folder / "mail").mkdir()
    os.chown(folder / "mail", mail.pw_uid, mail.pw_gid)
    (folder / "users").write_text(f"elm:{PASSWORD}\nzoe:{ZOES}\n", encoding="utf-8")
    (folder / "users").chmod(0o644)
    config = CONFIG.format(
        folder=folder,
        port=port,
        internal="dovecot" if is_root else me,
        internal_group="dovecot" if is_root else grp.getgrgid(mail.pw_gid).gr_name,
        login="dovenull" if is_root else me,
        mail=mail.pw_uid,
        mail_group=mail.pw_gid,
    )
    (folder / "dovecot.conf").write_text(config)


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    log = folder / "log"
    raise RuntimeError(f"Dovecot did not start: {log.read_text() if log.exists() else ''}")
