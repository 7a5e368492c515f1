// JSON whose depth is looked at before it is read: JSON.parse recurses, and a
// text that is nested too deeply would end the call as a crash.

export function parse(text, most) {
  if (deeper(text, most)) throw new SyntaxError(`nested more than ${most} deep`);
  return JSON.parse(text);
}

// Whether a text is nested deeper than `most`.
function deeper(text, most) {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > most) return true;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return false;
}
