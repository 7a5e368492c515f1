// One spelling for one IP address.

// The address of a text in its usual spelling (RFC 5952), an IPv4 address within
// an IPv6 one (`::ffff:192.0.2.7`, `::192.0.2.7`) as the IPv4 address; undefined
// when the text is none.
export function canonical(text) {
  const four = ipv4(text);
  if (four) return four.join('.');
  const groups = ipv6(text);
  if (!groups) return undefined;
  const zeros = groups.slice(0, 5).every((group) => group === 0);
  const [, , , , , mark, high, low] = groups;
  const compatible = mark === 0 && (high > 0 || low > 1);
  if (zeros && (mark === 0xffff || compatible)) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  return shortened(groups);
}

function ipv4(text) {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number < 256) ? numbers : undefined;
}

function ipv6(text) {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [before, after] = halves.map((half, i) => groups(half, i === halves.length - 1));
  if (!before || (halves.length === 2 && !after)) return undefined;
  if (halves.length === 1) return before.length === 8 ? before : undefined;
  const missing = 8 - before.length - after.length;
  return missing > 0 ? [...before, ...Array(missing).fill(0), ...after] : undefined;
}

// The groups between colons; the last may be an IPv4 address.
function groups(half, last) {
  if (half === '') return [];
  const all = [];
  const parts = half.split(':');
  for (const [i, part] of parts.entries()) {
    const four = last && i === parts.length - 1 ? ipv4(part) : undefined;
    if (four) all.push((four[0] << 8) | four[1], (four[2] << 8) | four[3]);
    else if (/^[0-9a-fA-F]{1,4}$/.test(part)) all.push(parseInt(part, 16));
    else return undefined;
  }
  return all;
}

// The longest run of at least two zeros, the first of equals, becomes `::`.
function shortened(groups) {
  let [begin, length] = [0, 1];
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (groups[i + run] === 0) run++;
    if (run > length) [begin, length] = [i, run];
  }
  const words = groups.map((group) => group.toString(16));
  if (length < 2) return words.join(':');
  return `${words.slice(0, begin).join(':')}::${words.slice(begin + length).join(':')}`;
}
