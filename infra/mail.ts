/** Mail by SMTP. */

/** @see https://nodemailer.com/message/ */
export interface OutgoingMail {
  from: string;
  to: string[];
  subject: string;
  text: string;
  messageId: string;
  references: string;
  headers: Record<string, string>;
}

const patienceMs = 20_000;

/**
 * @param server `smtps://user:password@host:465`, or `smtp://host:587`, which goes on by TLS where it is offered
 * @returns what the server said. @throws with `responseCode` when it says no
 */
export async function sendMail(server: string, mail: OutgoingMail): Promise<string> {
  if (!/^smtps?:\/\/[^/]/.test(server))
    throw new Error('the secret of a mail server must be smtp://… or smtps://…');
  const { createTransport } = await import('nodemailer'); // most workers never send one
  const transport = createTransport({
    ...{ url: server, connectionTimeout: patienceMs, greetingTimeout: patienceMs, socketTimeout: patienceMs },
    ...{ disableFileAccess: true, disableUrlAccess: true },
  });
  try {
    const { response, rejected } = await transport.sendMail(mail);
    const without = rejected.length > 0 ? `; not to ${rejected.map(String).join(', ')}` : '';
    return `${response}${without}`;
  } finally {
    transport.close();
  }
}
