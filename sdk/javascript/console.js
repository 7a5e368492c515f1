// `console` writes to the engine's log.

import * as log from './log.js';

const to = (level) => (...values) => {
  for (const line of values.map(shown).join(' ').split('\n')) log.log(level, line);
};

export const console = {
  trace: to('trace'),
  debug: to('debug'),
  log: to('info'),
  info: to('info'),
  warn: to('warn'),
  error: to('error'),
};

function shown(value) {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ''}`.trimEnd();
  if (typeof value !== 'object' || value === null) return String(value);
  try {
    return JSON.stringify(value);
  } catch {
    return String(value);
  }
}
