// nodemailer: requireTLS is for TLS or nothing; without it, TLS is used if it is offered.

const fs = require("fs");
const nodemailer = require("nodemailer");

const [word, scheme, host, port, user, pass, authority] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host,
  port: Number(port),
  secure: scheme === "smtps",
  requireTLS: word === "required",
  auth: { user, pass },
  tls: { ca: fs.readFileSync(authority) },
  connectionTimeout: 5000,
  greetingTimeout: 5000,
  socketTimeout: 5000,
});
const raw = fs.readFileSync(0);
transport
  .sendMail({ envelope: { from: "alice@lab.test", to: ["bob@lab.test"] }, raw })
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
