import * as host from '#host/accounts';
import { asked, text } from './border.js';

export const lock = (user) => asked(host.lock, text(user, 'the user'));
export const unlock = (user) => asked(host.unlock, text(user, 'the user'));
export const locked = (user) => asked(host.locked, text(user, 'the user'));
export const endSessions = (user) => asked(host.endSessions, text(user, 'the user'));
