import { answer } from './recording.js';
import { bytes } from '../border.js';

const sent = answer('http.send', () => ({}));

// A host of native tests, like a run in shadow, answers 200 and nothing else.
export function send({ method, tls, authority, path, headers, body }) {
  const url = `${tls ? 'https' : 'http'}://${authority}${path}`;
  const { status = 200, headers: answered = [], body: text = '' } = sent(
    method,
    url,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...(body.length > 0 ? [body] : []),
  );
  return { status, headers: answered, body: bytes(text, 'the body of the answer') };
}
