"""Submits the message on standard input by smtplib.

Arguments: HOST PORT starttls|tls CA-FILE MECHANISM LOGIN PASSWORD-FILE FROM TO.
A refusal is printed, and the status is 1."""

import smtplib
import ssl
import sys

host, port, mode, ca, mechanism, login, secret, sender, recipient = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
try:
    if mode == "tls":
        client = smtplib.SMTP_SSL(host, int(port), timeout=15, context=context)
    else:
        client = smtplib.SMTP(host, int(port), timeout=15)
        client.starttls(context=context)
    client.ehlo()
    client.user = login
    with open(secret, encoding="utf-8") as f:
        client.password = f.read().rstrip("\n")
    client.auth(mechanism, getattr(client, "auth_" + mechanism.lower().replace("-", "_")))
    client.sendmail(sender, [recipient], sys.stdin.buffer.read())
    client.quit()
except smtplib.SMTPResponseException as e:
    print(e.smtp_code, e.smtp_error.decode())
    sys.exit(1)
