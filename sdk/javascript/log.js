import * as host from '#host/log';
import { asked, text } from './border.js';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error'];

export function log(level, message) {
  if (!LEVELS.includes(level)) throw new TypeError(`the level must be one of ${LEVELS.join(', ')}`);
  asked(host.log, level, text(String(message), 'the message'));
}

export const trace = (message) => log('trace', message);
export const debug = (message) => log('debug', message);
export const info = (message) => log('info', message);
export const warn = (message) => log('warn', message);
export const error = (message) => log('error', message);
