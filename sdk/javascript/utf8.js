// UTF-8, which QuickJS has no function for.

// The bytes of a text; half a character becomes U+FFFD.
export function encode(text) {
  const whole = text.toWellFormed ? text.toWellFormed() : text;
  // These two are the engine's own, and much faster than a loop over characters.
  const units = unescape(encodeURIComponent(whole));
  const bytes = new Uint8Array(units.length);
  for (let i = 0; i < units.length; i++) bytes[i] = units.charCodeAt(i);
  return bytes;
}

// The text of bytes; what is no UTF-8 becomes U+FFFD.
export function decode(bytes) {
  const units = chars(bytes);
  try {
    return decodeURIComponent(escape(units));
  } catch {
    return lossy(bytes);
  }
}

// One character for each byte, in pieces: a call takes only so many arguments.
function chars(bytes) {
  let all = '';
  for (let at = 0; at < bytes.length; at += 4096) {
    all += String.fromCharCode(...bytes.subarray(at, at + 4096));
  }
  return all;
}

// As the standard for encodings says: one U+FFFD for each longest piece that
// could have begun a character.
function lossy(bytes) {
  let all = '';
  for (let at = 0; at < bytes.length; ) {
    const [length, code] = one(bytes, at);
    all += String.fromCodePoint(code);
    at += length;
  }
  return all;
}

// The character that begins at a byte: its length and its code.
function one(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return [1, first];
  const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
  let code = first & (0x3f >> more);
  for (let i = 1; i <= more; i++) {
    const next = bytes[at + i];
    const low = i > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const high = i > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (next === undefined || next < low || next > high) return [i, 0xfffd];
    code = (code << 6) | (next & 0x3f);
  }
  return more === 0 ? [1, 0xfffd] : [more + 1, code];
}

export class TextEncoder {
  get encoding() {
    return 'utf-8';
  }

  encode(text = '') {
    return encode(String(text));
  }
}

export class TextDecoder {
  constructor(label = 'utf-8') {
    if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError(`the encoding ${label} is not there: only UTF-8 is`);
  }

  get encoding() {
    return 'utf-8';
  }

  decode(bytes = new Uint8Array(0)) {
    const text = decode(ArrayBuffer.isView(bytes) ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new Uint8Array(bytes));
    return text.startsWith('\ufeff') ? text.slice(1) : text;
  }
}
