// Submits the message on standard input by nodemailer.
//
// Arguments: HOST PORT starttls|tls CA-FILE MECHANISM LOGIN PASSWORD-FILE FROM TO.
// A refusal is printed, and the status is 1.
'use strict';

const fs = require('fs');
const nodemailer = require('/usr/share/nodejs/nodemailer');

const [host, port, mode, ca, mechanism, user, secretFile, from, to] = process.argv.slice(2);
const secret = fs.readFileSync(secretFile, 'utf8').replace(/\n$/, '');
const bearer = mechanism === 'XOAUTH2';
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: mode === 'tls',
  requireTLS: true,
  connectionTimeout: 15000,
  greetingTimeout: 15000,
  socketTimeout: 15000,
  tls: { ca: fs.readFileSync(ca) },
  authMethod: bearer ? undefined : mechanism,
  auth: bearer ? { type: 'OAuth2', user, accessToken: secret } : { user, pass: secret },
});
transport
  .sendMail({ envelope: { from, to: [to] }, raw: fs.readFileSync(0) })
  .catch((error) => {
    console.log(error.response || String(error));
    process.exitCode = 1;
  });
