import * as host from '#host/log';
import { asked, text } from './border.js';

// What is too long to be handed over would end the call as a crash. More than may
// be written, so that the engine sees that there was more.
const LONGEST = 16 << 10;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'];

export function log(level, message) {
  if (!LEVELS.includes(level)) throw new TypeError(`the level must be one of ${LEVELS.join(', ')}`);
  asked(host.log, level, text(String(message).slice(0, LONGEST), 'the message'));
}

export const trace = (message) => log('trace', message);
export const debug = (message) => log('debug', message);
export const info = (message) => log('info', message);
export const warn = (message) => log('warn', message);
export const error = (message) => log('error', message);
