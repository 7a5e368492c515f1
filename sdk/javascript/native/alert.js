// The alert's fields, as the engine finds them in its text.

export function text(pointer, json) {
  const value = at(pointer, json);
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : undefined;
}

export function number(pointer, json) {
  const value = at(pointer, json);
  const whole = typeof value === 'string' && /^[0-9]+$/.test(value) ? Number(value) : value;
  // The engine has 64 bits for it.
  return Number.isInteger(whole) && whole >= -(2 ** 63) && whole < 2 ** 63 ? whole : undefined;
}

function at(pointer, json) {
  const names = pointer.startsWith('/')
    ? pointer.slice(1).split('/').map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
    : pointer.split('.');
  return names.reduce((value, name) => (holds(value, name) ? value[name] : undefined), parsed(json));
}

function holds(value, name) {
  if (Array.isArray(value) && name === 'length') return false;
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name);
}

function parsed(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
