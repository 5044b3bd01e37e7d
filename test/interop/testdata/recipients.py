"""Sends a message to many recipients by smtplib; those whom the server has put off get it in a further one.

Arguments: HOST PORT CA-FILE LOGIN PASSWORD FROM COUNT MOST. The message is on standard input, and
no more than MOST are sent of it on the one connection that there is. What is printed: how many messages were
accepted, and how the last one was refused."""

import smtplib
import ssl
import sys

host, port, ca, login, password, sender, count, most = sys.argv[1:]
message = sys.stdin.buffer.read()
rest, sent, answer = [f"r{n}@example.com" for n in range(int(count))], 0, ""
client = smtplib.SMTP(host, int(port), timeout=60)
client.starttls(context=ssl.create_default_context(cafile=ca))
client.login(login, password)
try:
    while rest and sent < int(most):
        refused = client.sendmail(sender, rest, message)
        sent += 1
        if any(code != 452 for code, _ in refused.values()):
            break
        rest = list(refused)
except smtplib.SMTPRecipientsRefused as e:
    code, text = list(e.recipients.values())[-1]
    answer = f"{code} {text.decode()}"
print(sent, answer)
