// One request over wasi:http.

import { Fields, OutgoingBody, OutgoingRequest, httpErrorCode } from 'wasi:http/types@0.2.0';
import { handle } from 'wasi:http/outgoing-handler@0.2.0';
import { RiposteError } from '../error.js';
import { decode, encode } from '../utf8.js';
import { using } from './using.js';

// Most that one write may take (`blocking-write-and-flush` of wasi:io).
const CHUNK = 4096;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'];

export function send({ method, tls, authority, path, headers, body }) {
  const request = new OutgoingRequest(fields(headers, method, body.length));
  try {
    request.setMethod(METHODS.includes(method) ? { tag: method.toLowerCase() } : { tag: 'other', val: method });
    request.setScheme({ tag: tls ? 'HTTPS' : 'HTTP' });
    request.setAuthority(authority);
    request.setPathWithQuery(path);
  } catch {
    throw RiposteError.invalid('the URL or the method is none of HTTP');
  }
  const outgoing = request.body();
  const answer = refusing(() => handle(request, null));
  // A server may answer before it has read everything, and the engine may
  // refuse: what comes of the request is in the answer, not here.
  const written = write(outgoing, body);
  return using(answer, () => using(arrived(answer), (response) => received(response, written)));
}

function received(response, written) {
  const status = response.status();
  if (!written && status >= 200 && status < 300) {
    throw RiposteError.unavailable('the server ended the connection before it had the whole request');
  }
  const headers = using(response.headers(), (fields) => fields.entries());
  const body = using(response.consume(), (body) => using(body.stream(), read));
  return { status, headers: headers.map(([name, value]) => [name, decode(value)]), body };
}

function fields(headers, method, length) {
  const all = new Fields();
  for (const [name, value] of headers) {
    try {
      all.append(name, encode(value));
    } catch {
      throw RiposteError.invalid(`the header ${name} or its value cannot be sent`);
    }
  }
  // Without it the body would be sent in chunks, which not every server takes.
  if (length > 0 || ['POST', 'PUT', 'PATCH'].includes(method)) all.append('content-length', encode(String(length)));
  return all;
}

// Whether all of it was taken.
function write(outgoing, body) {
  let whole = true;
  // The stream is a part of the body, which cannot end before it.
  using(outgoing.write(), (stream) => {
    try {
      for (let at = 0; at < body.length; at += CHUNK) stream.blockingWriteAndFlush(body.slice(at, at + CHUNK));
    } catch {
      whole = false;
    }
  });
  try {
    OutgoingBody.finish(outgoing, null);
  } catch {
    whole = false;
  }
  return whole;
}

function arrived(answer) {
  using(answer.subscribe(), (ready) => ready.block());
  const outcome = answer.get()?.val;
  if (!outcome) throw fault();
  if (outcome.tag !== 'ok') throw refused(outcome.val);
  return outcome.val;
}

function read(stream) {
  const pieces = [];
  for (;;) {
    try {
      pieces.push(stream.blockingRead(65536));
    } catch (error) {
      const why = error.payload;
      if (why?.tag === 'closed') return joined(pieces);
      const code = why?.val === undefined ? null : httpErrorCode(why.val);
      throw code ? refused(code) : RiposteError.unavailable('the answer of the server broke off');
    }
  }
}

function joined(pieces) {
  const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

function refusing(call) {
  try {
    return call();
  } catch (error) {
    throw error.payload === undefined ? error : refused(error.payload);
  }
}

// The words of the engine are in its log; these are for the response's.
function refused({ tag, val }) {
  switch (tag) {
    case 'HTTP-request-denied':
      return new RiposteError('denied', "the command's <http/> grants do not allow this request; the engine's log says which one would");
    case 'destination-IP-prohibited':
      return new RiposteError('denied', "the host name stands for an address of a private or special network; the engine's log says which");
    case 'HTTP-request-URI-invalid':
      return RiposteError.invalid("the URL cannot be used; the engine's log says why");
    case 'HTTP-request-body-size':
    case 'HTTP-request-header-section-size':
      return new RiposteError('denied', "the request is larger than the command's <http/> grant allows");
    case 'HTTP-response-body-size':
      return RiposteError.failed("the answer is larger than the command's <http/> grant allows");
    case 'connection-timeout':
    case 'connection-read-timeout':
    case 'HTTP-response-timeout':
    case 'DNS-timeout':
      return new RiposteError('timeout', 'the server did not answer in time', true);
    case 'DNS-error':
      return RiposteError.unavailable('the host name was not found');
    case 'TLS-certificate-error':
      return RiposteError.failed("the certificate of the server is not valid for this host; the engine's log says why");
    case 'connection-limit-reached':
      return new RiposteError('denied', 'too many requests in this call, or at a time', true);
    case 'internal-error':
      if (val) return RiposteError.failed(val);
      break;
  }
  return RiposteError.unavailable('the server could not be reached, or does not speak HTTP');
}

function fault() {
  return RiposteError.failed('wasi:http of this engine does not behave as it should; please report this fault');
}
